"""One pure function: what the control plane knows → Envoy's resources, by type URL and name.

The compiler remembers what it made of the snapshot before, and makes anew only what follows from the
difference. What it returns depends on the snapshot alone: one that has seen many others returns the same
bytes as a new one.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, TypeVar

from ndx_contracts.agreements import AgreementState

from gateway.agencies.service import AgencyEntry
from gateway.authorities.service import Issuer
from gateway.catalogue.operations import Operation
from gateway.xds import matchers, names, protos, quota_filter, wire
from gateway.xds.agency_filter import OutsideCases, agencies_bucket, agency_filter, burst_filter, may_certify
from gateway.xds.clusters import clusters, secrets
from gateway.xds.coverage import Verdict, ranked
from gateway.xds.listeners import agencies_listener, citizens_listener
from gateway.xds.matchers import NONE, Entries, allow, entry
from gateway.xds.meters import SpecialCases
from gateway.xds.parts import HOLDERS, NO_PART, AgencyPart, Table, part_of
from gateway.xds.resources import KINDS, Resource, Resources, from_documents, from_filter, from_wire
from gateway.xds.routes import (
    CITIZENS,
    Meter,
    agency_route,
    agency_routes,
    agency_scopes,
    agreement_decision,
    citizen_routes,
    control_decision,
    scopes,
)
from gateway.xds.snapshot import Doors, Snapshot
from gateway.xds.stop_filter import PASSES, stop, stop_filter
from gateway.xds.templates import class_filter, template_buckets, template_decisions, template_stops
from gateway.xds.wire import Wire

_METERED = frozenset({AgreementState.ACTIVE, AgreementState.SUSPENDED})
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class _Kept:
    """One agency's part and what it was made of."""

    given: tuple[Any, ...]
    today: date
    wins: list[Verdict]
    part: AgencyPart


class Compiler:
    """Compiles one snapshot after another."""

    def __init__(self) -> None:
        self._fixed: tuple[Any, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self._operations: dict[str, Operation] = {}
        self._kept: dict[str, _Kept] = {}
        self._operators = NO_PART
        self._stops, self._admissions, self._systems, self._buckets = Table(), Table(), Table(), Table()
        self._meters = Table()
        self._metered: dict[str, tuple[Any, Mapping[str, Wire]]] = {}
        self._metered_operations: dict[str, Meter] = {}
        self._decisions: dict[str, dict[str, Table]] = {}
        self._classes: dict[str, Table] = {}
        """Agency class → certificates of its members."""
        self._templates: dict[str, list[Verdict]] = {}
        """Agency class → the templates that bind it, as ranked."""
        self._by_class: dict[str, matchers.Node] = {}
        """Operation name → what templates decide."""
        self._template_buckets: dict[str, Wire] = {}
        self._template_stops = PASSES
        self._made: dict[tuple[str, str], tuple[Any, Any]] = {}

    def compile(self, snapshot: Snapshot) -> Resources:
        """Return every resource of both listeners."""
        self._take(snapshot)
        self._take_quotas(snapshot)
        doors, scoped = snapshot.doors, agency_scopes(snapshot.operations)
        listeners = {"agencies": agencies_listener, "citizens": citizens_listener}
        routes = {
            names.route_config(scope): self._routes(scope, ops, snapshot) for scope, ops in scoped.items()
        }
        routes[CITIZENS] = self._once(
            ("routes", CITIZENS),
            (snapshot.operations, doors),
            lambda: from_wire(protos.RDS, CITIZENS, citizen_routes(snapshot)),
        )
        return {
            protos.CDS: self._documents(protos.CDS, doors, lambda: clusters(snapshot)),
            protos.SDS: self._documents(protos.SDS, snapshot.material, lambda: secrets(snapshot)),
            protos.ECDS: self._filters(snapshot.issuers, doors),
            protos.LDS: self._documents(
                protos.LDS, doors, lambda: {name: make(doors) for name, make in listeners.items()}
            ),
            protos.SRDS: self._documents(protos.SRDS, tuple(scoped), lambda: scopes(scoped)),
            protos.RDS: routes,
        }

    def stops(self, snapshot: Snapshot) -> Resources:
        """Return only what stops suspended and revoked callers, long before the rest: one filter, and lists.

        It may be in force before the routes of the same snapshot: then more is refused, never less.
        """
        self._take(snapshot)
        return {
            protos.SDS: self._documents(protos.SDS, snapshot.material, lambda: secrets(snapshot)),
            protos.ECDS: {names.STOP_FILTER: self._stop_filter()},
        }

    def _once(self, key: tuple[str, str], given: Any, make: Callable[[], _Made]) -> _Made:
        """Return what was made under the key, or make it anew when it is given something else."""
        before = self._made.get(key)
        if before is None or before[0] != given:
            before = self._made[key] = (given, make())
        made: _Made = before[1]
        return made

    def _documents(
        self, kind: str, given: Any, make: Callable[[], dict[str, dict[str, Any]]]
    ) -> dict[str, Resource]:
        return self._once(("documents", kind), given, lambda: from_documents(kind, make()))

    def _take(self, snapshot: Snapshot) -> None:
        """Bring the tables up to the snapshot, agency by agency."""
        fixed = (snapshot.operations, snapshot.doors)
        if fixed != self._fixed:
            self._forget()
            self._fixed = fixed
            self._operations = {o.name: o for o in snapshot.operations if o.door == "agency"}
        agencies = {a.code: a for a in snapshot.agencies}
        agreements: dict[str, list[Any]] = {code: [] for code in agencies}
        templates: dict[str, list[Any]] = {}
        for agreement in snapshot.agreements:
            if agreement.consumer_class is not None:
                templates.setdefault(agreement.consumer_class, []).append(agreement)
            else:
                agreements.setdefault(agreement.consumer_agency or "", []).append(agreement)
        self._take_templates(templates, snapshot.today)
        revoked: dict[str, list[tuple[str, tuple[str, ...]]]] = {}
        for san, prints in sorted(snapshot.revoked.items()):
            revoked.setdefault(san.split(":")[3], []).append((san, tuple(sorted(prints))))
        for code in self._kept.keys() - agencies.keys():
            self._replace(self._kept.pop(code).part, NO_PART)
        for code, agency in agencies.items():
            own = agreements[code]
            # Whoever has no agreement but templates is not touched when these change.
            held = (*own, *templates.get(agency.agency_class, ())) if own else ()
            given = (agency, held, tuple(revoked.get(code, ())))
            kept = self._kept.get(code)
            if kept is None or kept.today != snapshot.today or kept.given != given:
                self._kept[code] = self._renewed(kept, given, snapshot)
        self._take_operators(snapshot, agencies)

    def _renewed(self, kept: _Kept | None, given: tuple[Any, ...], snapshot: Snapshot) -> _Kept:
        agency, agreements, revoked = given
        wins = ranked(agreements, snapshot.today)
        if kept is not None and (kept.given[0], kept.wins, kept.given[2]) == (agency, wins, revoked):
            return _Kept(given, snapshot.today, wins, kept.part)
        part = part_of(agency, wins, dict(revoked), self._operations)
        self._replace(kept.part if kept is not None else NO_PART, part)
        return _Kept(given, snapshot.today, wins, part)

    def _replace(self, before: AgencyPart, after: AgencyPart) -> None:
        self._stops.replace(before.stops, after.stops)
        self._admissions.replace(before.admissions, after.admissions)
        self._systems.replace(before.systems, after.systems)
        self._buckets.replace(before.buckets, after.buckets)
        for key in before.decisions.keys() | after.decisions.keys():
            name, purpose = key
            table = self._decisions.setdefault(name, {}).setdefault(purpose, Table())
            table.replace(before.decisions.get(key, {}), after.decisions.get(key, {}))
        for members in before.classes.keys() | after.classes.keys():
            table = self._classes.setdefault(members, Table())
            table.replace(before.classes.get(members, {}), after.classes.get(members, {}))

    def _take_templates(self, templates: Mapping[str, list[Any]], today: date) -> None:
        wins = {members: ranked(found, today) for members, found in sorted(templates.items())}
        if wins == self._templates:
            return
        self._templates = wins
        every = [verdict for found in wins.values() for verdict in found]
        self._by_class = template_decisions(every, self._operations)
        self._template_stops = template_stops(every, self._operations)
        after = template_buckets(every)
        self._buckets.replace(self._template_buckets, after)
        self._template_buckets = after

    def _take_operators(self, snapshot: Snapshot, agencies: Mapping[str, AgencyEntry]) -> None:
        after = AgencyPart({}, {}, {}, {}, {}, {})
        for operator in snapshot.operators:
            agency = agencies.get(operator.agency)
            if operator.state == "ACTIVE" and agency is not None and agency.state != "REGISTERED":
                san = names.operator_san(operator.agency, operator.login)
                after.admissions[san] = entry(san, allow(agency.code))
                after.add_stop(san, stop(agency, sorted(snapshot.revoked.get(san, ()))))
        self._replace(self._operators, after)
        self._operators = after

    def _take_quotas(self, snapshot: Snapshot) -> None:
        """Bring the buckets by day and month up to the agreements and agencies that have such quotas."""
        special = SpecialCases(snapshot)
        kept = {
            a.agreement_id: (a, cases)
            for a in snapshot.agreements
            if a.state in _METERED and (cases := special.of(a)) is not None
        }
        for former in self._metered.keys() - kept.keys():
            self._meters.replace(self._metered.pop(former)[1], {})
        for name, given in kept.items():
            before, entries = self._metered.get(name, (None, {}))
            if before != given:
                agreement, cases = given
                made = {
                    quota_filter.key(name, cost): quota_filter.entry(agreement, cost, dict(cases))
                    for cost in quota_filter.costs_of(agreement, self._operations)
                }
                self._meters.replace(entries, made)
                self._metered[name] = (given, made)
        metered = [agreement for agreement, _ in kept.values()]
        self._metered_operations = {g.operation: Meter.OWN for a in metered for g in a.operations}
        templates = (a for a in metered if a.consumer_class is not None)
        self._metered_operations |= {g.operation: Meter.CLASS for a in templates for g in a.operations}

    def _stop_filter(self) -> Resource:
        def made() -> Resource:
            found = stop_filter(Entries(self._stops.joined()), self._template_stops)
            return from_filter(names.STOP_FILTER, protos.Rbac, found)

        given = (self._stops.version, self._template_stops)
        return self._once(("filter", names.STOP_FILTER), given, made)

    def _filters(self, issuers: tuple[Issuer, ...], doors: Doors) -> dict[str, Resource]:
        def agencies() -> Resource:
            outside = [
                OutsideCases(i, Entries(self._admissions.chosen(partial(may_certify, i))))
                for i in issuers
                if i.may_certify
            ]
            known = agency_filter(
                Entries(self._admissions.joined()),
                Entries(self._systems.joined()),
                [i for i in issuers if not i.may_certify],
                outside,
            )
            return from_filter(names.AGENCY_FILTER, protos.Rbac, known)

        def burst() -> Resource:
            buckets = wire.join([agencies_bucket(doors.metadata_per_second), self._buckets.joined()])
            return from_filter(
                names.BURST_FILTER, protos.LocalRateLimit, burst_filter(buckets, shared=doors.shared_rates)
            )

        def quotas() -> Resource:
            known = quota_filter.quota_filter(self._meters.joined())
            return from_filter(names.QUOTA_FILTER, protos.QuotaFilter, known)

        def classes() -> Resource:
            members = wire.join(self._classes[name].joined() for name in bound)
            return from_filter(names.CLASS_FILTER, protos.Rbac, class_filter(Entries(members)))

        bound = [name for name in sorted(self._templates) if name in self._classes]
        versions = (self._admissions.version, self._systems.version, issuers)
        members = tuple((name, self._classes[name].version) for name in bound)
        return {
            names.STOP_FILTER: self._stop_filter(),
            names.AGENCY_FILTER: self._once(("filter", names.AGENCY_FILTER), versions, agencies),
            names.CLASS_FILTER: self._once(("filter", names.CLASS_FILTER), members, classes),
            names.BURST_FILTER: self._once(("filter", names.BURST_FILTER), self._buckets.version, burst),
            names.QUOTA_FILTER: self._once(("filter", names.QUOTA_FILTER), self._meters.version, quotas),
        }

    def _routes(self, scope: str, operations: list[Operation], snapshot: Snapshot) -> Resource:
        name = names.route_config(scope)
        made = {o.name: self._route(o, snapshot) for o in operations}
        return self._once(
            ("routes", name),
            (tuple(operations), tuple(made.values())),
            lambda: from_wire(protos.RDS, name, agency_routes(scope, operations, lambda o: made[o.name])),
        )

    def _route(self, operation: Operation, snapshot: Snapshot) -> Wire:
        tables = self._decisions.get(operation.name, {})
        meter = self._metered_operations.get(operation.name, Meter.NONE)

        def make() -> Wire:
            if operation.door == "agency":
                covered = {purpose: Entries(table.joined()) for purpose, table in tables.items()}
                holders = covered.pop(HOLDERS, NONE)
                decision = agreement_decision(operation, covered, holders, by_class)
            else:
                decision = control_decision(operation, snapshot.operators)
            return agency_route(
                operation, snapshot.doors, decision, template=by_class is not None, meter=meter
            )

        by_class = self._by_class.get(operation.name)
        given: tuple[Any, ...] = tuple(snapshot.operators)
        if operation.door == "agency":
            given = (by_class, *((purpose, table.version) for purpose, table in tables.items()))
        return self._once(("route", operation.name), (operation, meter, given), make)


def compile_resources(snapshot: Snapshot) -> Resources:
    """Return every resource of both listeners."""
    return Compiler().compile(snapshot)


def compile_stops(snapshot: Snapshot) -> Resources:
    """Return only the filter that stops suspended and revoked callers."""
    return Compiler().stops(snapshot)


def documents(resources: Resources) -> dict[str, dict[str, dict[str, Any]]]:
    """Return resources in their JSON form, by type URL and name."""
    return {
        kind: {name: wire.decode(KINDS[kind], found.body.value) for name, found in named.items()}
        for kind, named in resources.items()
    }
