"""What template agreements add: decisions by the class of the caller's agency, whatever its certificate.

A template binds thousands of agencies, so their certificates are in no route. One filter, switched on only
where a template covers the operation, tells the class of the agency, and the route decides by that.
"""

from collections.abc import Iterable, Mapping, Sequence

from ndx_contracts import headers

from gateway.agencies.service import AgencyEntry, SystemEntry
from gateway.catalogue.operations import Operation
from gateway.xds import matchers, names, wire
from gateway.xds.agency_filter import members_bucket
from gateway.xds.coverage import ANY_PURPOSE, Standing, Verdict, suspended, verdicts_of
from gateway.xds.protos import Rbac
from gateway.xds.routes import agreement_outcome
from gateway.xds.stop_filter import PASSES, barred
from gateway.xds.wire import Wire

_NO_AGREEMENT = matchers.deny(Standing.NOT_YET.value)


def template_decisions(
    wins: Sequence[Verdict], operations: Mapping[str, Operation]
) -> dict[str, matchers.Node]:
    """Return, by operation, the decision for callers without an agreement of their own; `wins` are ranked."""
    granted: dict[str, dict[str, list[Verdict]]] = {}
    for verdict in wins:
        for grant in verdict.agreement.operations:
            if grant.operation in operations and verdict.agreement.consumer_class is not None:
                classes = granted.setdefault(grant.operation, {})
                classes.setdefault(verdict.agreement.consumer_class.value, []).append(verdict)
    return {
        name: matchers.by_policy(
            names.CLASS_KEY,
            {members: _of_class(operations[name], found) for members, found in classes.items()},
            _NO_AGREEMENT,
        )
        for name, classes in granted.items()
    }


def _of_class(operation: Operation, found: Sequence[Verdict]) -> matchers.Node:
    def decision(system: str | None) -> matchers.Node:
        cases: dict[str, matchers.Node] = {}
        for verdict in found:
            agreement = verdict.agreement
            if agreement.consumer_systems and system not in agreement.consumer_systems:
                continue
            purposes = [p.value for p in agreement.purposes] if operation.personal_data else [ANY_PURPOSE]
            for purpose in purposes:
                cases.setdefault(purpose, agreement_outcome(verdict))
        if not cases:
            return _NO_AGREEMENT
        if not operation.personal_data:
            return cases[ANY_PURPOSE]
        # That it is a purpose at all, the route has asked before.
        return matchers.by_header(headers.PURPOSE.lower(), cases, matchers.deny("purpose-not-covered"))

    named = {s for verdict in found for s in verdict.agreement.consumer_systems}
    if not named:
        return decision(None)
    return matchers.by_policy(names.SYSTEM_KEY, {s: decision(s) for s in named}, decision(None))


def template_stops(wins: Sequence[Verdict], operations: Mapping[str, Operation]) -> matchers.Node:
    """Return what suspended templates bar, for callers whom no agreement of their own exempts."""
    found: dict[str, list[Verdict]] = {}
    for verdict in wins:
        if verdict.agreement.consumer_class is not None:
            found.setdefault(verdict.agreement.consumer_class.value, []).append(verdict)
    classes = {
        members: _stops_of_class(mine, operations)
        for members, mine in found.items()
        if any(verdict.standing is Standing.SUSPENDED for verdict in mine)
    }
    return matchers.by_policy(names.CLASS_KEY, classes, PASSES)


def _stops_of_class(found: Sequence[Verdict], operations: Mapping[str, Operation]) -> matchers.Node:
    named = sorted({s for verdict in found for s in verdict.agreement.consumer_systems})
    cases = []
    for system in (*named, None):
        some = AgencyEntry("-", "ACTIVE", [SystemEntry(system or "-", "ACTIVE")])
        (mine,) = verdicts_of(some, found, operations, own_only=False).values()
        cases.append(matchers.first_of(barred(suspended(mine), operations), PASSES))
    tests = [matchers.san_fits(names.agency_san("[^:]+", system)) for system in named]
    return matchers.first_of(list(zip(tests, cases[:-1], strict=True)), cases[-1])


def template_buckets(wins: Iterable[Verdict]) -> dict[str, Wire]:
    """Return the buckets of templates, of which each member has its own."""
    return {
        f"template {verdict.agreement.agreement_id}": members_bucket(verdict.agreement)
        for verdict in wins
        if verdict.standing is not Standing.EXPIRED
    }


def class_filter(classes: matchers.Entries) -> Wire:
    """Return the filter that tells the class of a certificate's agency, and refuses nothing."""
    if not classes:
        return wire.NOTHING
    return wire.join(
        [
            wire.put(Rbac, "shadow_matcher", matchers.by_san(classes, None)),
            wire.put(Rbac, "shadow_rules_stat_prefix", "class_"),
        ]
    )
