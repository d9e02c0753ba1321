"""Routes: one route configuration per service, each operation's route with the agreements that cover it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from ndx_contracts import headers
from ndx_contracts.purposes import Purpose

from gateway.agencies.service import OperatorEntry
from gateway.catalogue.operations import Operation
from gateway.xds import matchers, names, wire
from gateway.xds.coverage import ANY_PURPOSE, Standing, Verdict
from gateway.xds.protos import (
    FilterConfig,
    MutationPerRoute,
    Rbac,
    RbacPerRoute,
    Route,
    RouteConfiguration,
    VirtualHost,
)
from gateway.xds.route_tree import Routes, route_tree
from gateway.xds.snapshot import Doors, Snapshot
from gateway.xds.wire import Wire

_TEMPLATE = names.EXTENSION + "path.match.uri_template.v3.UriTemplateMatchConfig"
_JWT_PER_ROUTE = names.EXTENSION + "filters.http.jwt_authn.v3.PerRouteConfig"
_PREVIOUS_HOSTS = names.EXTENSION + "retry.host.previous_hosts.v3.PreviousHostsPredicate"
_HIGHEST_ACR = 4
_ANY_OF_THE_LIST = "|".join(p.value for p in Purpose)
AGENCY_DOORS = frozenset({"agency", "operator", "agency_metadata"})
CITIZEN_DOORS = frozenset({"citizen", "public"})
CITIZENS = "routes-citizens"


_RETRY = {
    # Only where the provider cannot have seen the request: nothing is done twice.
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
    # Another copy is asked; the same one again only where there is no other.
    "retry_host_predicate": [
        {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": _PREVIOUS_HOSTS}}
    ],
    "host_selection_retry_max_attempts": 3,
}
_WAIT = {
    # There may be one control plane only: while it is restarted its callers wait for some seconds.
    **_RETRY,
    "num_retries": 20,
    "retry_back_off": {"base_interval": "0.25s", "max_interval": "1s"},
}


def _path_match(path: str) -> dict[str, Any]:
    if "{" not in path:
        return {"path": path}
    return {
        "path_match_policy": {
            "name": "envoy.path.match.uri_template.uri_template_matcher",
            "typed_config": {"@type": _TEMPLATE, "path_template": path},
        }
    }


def agreement_outcome(verdict: Verdict) -> matchers.Node:
    """Return what the agreement filter does with a call that the agreement covers."""
    if verdict.standing is not Standing.IN_FORCE:
        return matchers.deny(verdict.standing.value)
    node = matchers.allow(verdict.agreement.agreement_id)
    conditions = verdict.agreement.conditions
    if conditions.case_required:
        node = matchers.if_present(headers.CASE_ID.lower(), node, matchers.deny("case-missing"))
    if conditions.officer_required:
        node = matchers.if_present(headers.OFFICER.lower(), node, matchers.deny("officer-missing"))
    return node


def agreement_decision(
    operation: Operation,
    covered: Mapping[str, matchers.Entries],
    holders: matchers.Entries,
    otherwise: matchers.Node | None = None,
) -> Wire:
    """Return the agreement filter of one operation: purpose → certificate → agreement, or why not.

    The purpose comes first because Envoy builds a few large maps much faster than many small ones.
    `covered` are the certificates by purpose, `holders` all that have any agreement on the operation,
    `otherwise` is what holds for certificates without one.
    """
    no_agreement = otherwise or matchers.deny("no-agreement")
    if operation.personal_data:
        purpose = headers.PURPOSE.lower()
        # A certificate that a purpose's map does not know falls through to what follows here.
        uncovered = matchers.first_of(
            [
                (
                    matchers.header_fits(purpose, _ANY_OF_THE_LIST),
                    matchers.nested(matchers.by_san(holders, no_agreement)),
                ),
                (matchers.header_fits(purpose, ".+"), matchers.deny("purpose-unknown")),
            ],
            matchers.deny("purpose-missing"),
        )
        cases = {p: matchers.nested(matchers.by_san(known, None)) for p, known in covered.items() if known}
        tree = matchers.tree_by_header(purpose, cases, uncovered)
    else:
        tree = matchers.by_san(covered.get(ANY_PURPOSE, matchers.NONE), no_agreement)
    return wire.join([wire.put(Rbac, "matcher", tree), wire.put(Rbac, "rules_stat_prefix", "agr_")])


def _operators(
    operators: Iterable[OperatorEntry], outcome: Callable[[str], matchers.Node]
) -> matchers.Entries:
    return matchers.entries(
        {
            names.operator_san(o.agency, o.login): outcome(f"{o.agency}:{o.login}")
            for o in operators
            if o.state == "ACTIVE"
        }
    )


def control_decision(operation: Operation, operators: Sequence[OperatorEntry]) -> Wire:
    """Return the agreement filter of an operation of the control plane itself."""
    if operation.door == "operator":
        tree = matchers.by_san(
            _operators(operators, lambda _: matchers.allow("operator")), matchers.deny("operator-required")
        )
    else:
        # The agency filter has let nobody through but known systems and operators.
        tree = matchers.always(matchers.allow("metadata"))
    decision = [wire.put(Rbac, "matcher", tree), wire.put(Rbac, "rules_stat_prefix", "agr_")]
    who = _operators(operators, matchers.allow)
    if who:
        decision.append(wire.put(Rbac, "shadow_matcher", matchers.by_san(who, None)))
        decision.append(wire.put(Rbac, "shadow_rules_stat_prefix", "operator_"))
    return wire.join(decision)


def _route(operation: Operation, doors: Doors) -> dict[str, Any]:
    match = _path_match(operation.path)
    match["headers"] = [{"name": ":method", "string_match": {"exact": operation.method}}]
    action = {"cluster": names.cluster(operation.service), "timeout": f"{doors.timeout_seconds:g}s"}
    return {
        "name": operation.name,
        "match": match,
        # A path may hold a personal ID: the span is named with the template instead.
        "decorator": {"operation": f"{operation.method} {operation.path}", "propagate": False},
        "route": action | ({"retry_policy": _WAIT} if operation.service == "gateway" else {}),
    }


_SWITCHED_ON = wire.any_of(FilterConfig, wire.put(FilterConfig, "config", wire.NOTHING))


class Meter(StrEnum):
    """Which agreements on an operation have a quota by day or month."""

    NONE = "NONE"
    OWN = "OWN"
    """Agreements of single agencies."""
    CLASS = "CLASS"
    """Templates as well: the bucket is the agency's."""


def _metered(operation: Operation, meter: Meter) -> dict[str, Wire]:
    """Return what turns the quota filters on for a route, and names the bucket of the call for them."""
    own = f"{names.AGREEMENT_VALUE} {operation.cost}"
    bucket = {names.QUOTA_HEADER: own}
    if meter is Meter.CLASS:
        bucket[names.QUOTA_BUCKET_HEADER] = f"{names.AGENCY_VALUE} {own}"
    mutations = [{"append": names.header_to_add(key, value)} for key, value in bucket.items()]
    key = wire.encode(MutationPerRoute, {"mutations": {"request_mutations": mutations}})
    return {
        names.QUOTA_KEY_FILTER: wire.any_of(MutationPerRoute, key),
        names.QUOTA_FILTER: _SWITCHED_ON,
    }


def agency_route(
    operation: Operation, doors: Doors, decision: Wire, *, template: bool = False, meter: Meter = Meter.NONE
) -> Wire:
    """Return the route of one operation with its agreement filter.

    `template` when a template covers it; `meter` tells whether an agreement has a quota by day or month.
    """
    route = _route(operation, doors)
    if operation.door == "agency":
        route["request_headers_to_add"] = [names.header_to_add(headers.AGREEMENT, names.AGREEMENT_VALUE)]
    else:
        route["request_headers_to_add"] = [
            names.header_to_add(headers.OPERATOR, names.OPERATOR_VALUE),
            names.header_to_add(headers.CERTIFICATE, "%DOWNSTREAM_PEER_FINGERPRINT_256%"),
        ]
        route["metadata"] = {"filter_metadata": {names.ROUTE_METADATA: {"door": "control"}}}
    filters = {
        names.AGREEMENT_FILTER: wire.any_of(RbacPerRoute, wire.put(RbacPerRoute, "rbac", decision)),
    }
    if meter is not Meter.NONE:
        filters |= _metered(operation, meter)
        route["request_headers_to_remove"] = [names.QUOTA_HEADER, names.QUOTA_BUCKET_HEADER]
    if template:
        route["request_headers_to_add"].append(names.header_to_add(headers.AGENCY_CLASS, names.CLASS_VALUE))
        route["metadata"] = {"filter_metadata": {names.ROUTE_METADATA: {"template": "yes"}}}
        filters[names.CLASS_FILTER] = _SWITCHED_ON
    return wire.join(
        [
            wire.encode(Route, route),
            *(wire.put_entry(Route, "typed_per_filter_config", n, f) for n, f in sorted(filters.items())),
        ]
    )


def _other_methods(path: str, methods: list[str], *, citizen: bool) -> dict[str, Any]:
    """Return the route that answers what the operations of a path leave over."""
    route: dict[str, Any] = {
        "name": "method-not-allowed",
        "match": _path_match(path),
        "decorator": {"operation": path, "propagate": False},
        "direct_response": {"status": 405},
        "response_headers_to_add": [names.header_to_add("Allow", ", ".join(methods))],
    }
    if citizen:
        route["typed_per_filter_config"] = {names.JWT_FILTER: {"@type": _JWT_PER_ROUTE, "disabled": True}}
    return route


def _order(path: str) -> list[tuple[bool, str]]:
    """Sort literal segments before templates that would match them too."""
    return [(part.startswith("{"), part) for part in path.split("/")]


def _routes(
    operations: Iterable[Operation], route: Callable[[Operation], Wire], *, citizen: bool
) -> list[tuple[str, Wire]]:
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    found: list[tuple[str, Wire]] = []
    for path in sorted(by_path, key=_order):
        here = sorted(by_path[path], key=lambda o: o.method)
        found += [(path, route(o)) for o in here]
        others = _other_methods(path, [o.method for o in here], citizen=citizen)
        found.append((path, wire.encode(Route, others)))
    return found


def scope_key(path: str) -> str:
    return path.split("/")[1]


def agency_scopes(operations: Iterable[Operation]) -> dict[str, list[Operation]]:
    """Return the operations of the agencies' door by scope: one route configuration each."""
    found: dict[str, list[Operation]] = {}
    for operation in operations:
        if operation.door in AGENCY_DOORS:
            found.setdefault(scope_key(operation.path), []).append(operation)
    return dict(sorted(found.items()))


def _route_config(name: str, host: dict[str, Any], routes: Routes) -> Wire:
    parts = [wire.encode(VirtualHost, {**host, "domains": ["*"], "retry_policy": _RETRY})]
    if routes:
        parts.append(wire.put(VirtualHost, "matcher", route_tree(routes)))
    return wire.join(
        [
            wire.put(RouteConfiguration, "name", name),
            wire.put(RouteConfiguration, "virtual_hosts", wire.join(parts)),
        ]
    )


def agency_routes(scope: str, operations: Iterable[Operation], route: Callable[[Operation], Wire]) -> Wire:
    """Return a route configuration; a change of agreements resends only the services that it touches."""
    host = {
        "name": scope,
        "request_headers_to_add": [
            names.header_to_add(headers.AGENCY, names.AGENCY_VALUE),
            names.header_to_add(headers.SYSTEM, names.SYSTEM_VALUE),
        ],
    }
    return _route_config(names.route_config(scope), host, _routes(operations, route, citizen=False))


def scopes(keys: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Return scoped routes: the first path segment chooses the route configuration."""
    return {
        f"scope-{names.route_config(key)}": {
            "name": f"scope-{names.route_config(key)}",
            "route_configuration_name": names.route_config(key),
            "key": {"fragments": [{"string_key": key}]},
        }
        for key in keys
    }


def _citizen_route(operation: Operation, doors: Doors) -> Wire:
    route = _route(operation, doors)
    if operation.door == "public":
        route["typed_per_filter_config"] = {names.JWT_FILTER: {"@type": _JWT_PER_ROUTE, "disabled": True}}
        if operation.service == "gateway":
            route["metadata"] = {"filter_metadata": {names.ROUTE_METADATA: {"door": "control"}}}
        return wire.encode(Route, route)
    token = {"@type": _JWT_PER_ROUTE, "requirement_name": "citizen"}
    route["typed_per_filter_config"] = {names.JWT_FILTER: token}
    # The token filter has set NDX-Acr from the verified token; the caller's own was stripped.
    enough = {str(level): matchers.allow("citizen") for level in range(operation.acr, _HIGHEST_ACR + 1)}
    tree = matchers.tree_by_header(headers.ACR.lower(), enough, matchers.deny("acr-insufficient"))
    decision = wire.put(Rbac, "matcher", tree) + wire.put(Rbac, "rules_stat_prefix", "acr_")
    levels = wire.any_of(RbacPerRoute, wire.put(RbacPerRoute, "rbac", decision))
    return wire.join(
        [
            wire.encode(Route, route),
            wire.put_entry(Route, "typed_per_filter_config", names.ACR_FILTER, levels),
        ]
    )


def citizen_routes(snapshot: Snapshot) -> Wire:
    """Return the citizen door's routes: with a token, or public."""
    operations = [o for o in snapshot.operations if o.door in CITIZEN_DOORS]
    routes = _routes(operations, lambda o: _citizen_route(o, snapshot.doors), citizen=True)
    return _route_config(CITIZENS, {"name": "citizens"}, routes)
