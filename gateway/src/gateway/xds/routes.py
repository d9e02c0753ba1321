"""Routes: one route configuration per service, each operation's route with the agreements that cover it."""

from collections.abc import Callable
from typing import Any

from ndx_contracts import headers

from gateway.catalogue.operations import Operation
from gateway.xds import matchers, names
from gateway.xds.coverage import ANY_PURPOSE, Coverage, Standing, Verdict
from gateway.xds.snapshot import Doors, Snapshot

_TEMPLATE = names.EXTENSION + "path.match.uri_template.v3.UriTemplateMatchConfig"
_JWT_PER_ROUTE = names.EXTENSION + "filters.http.jwt_authn.v3.PerRouteConfig"
_HIGHEST_ACR = 4
AGENCY_DOORS = frozenset({"agency", "operator", "agency_metadata"})
CITIZEN_DOORS = frozenset({"citizen", "public"})
CITIZENS = "routes-citizens"


def _path_match(path: str) -> dict[str, Any]:
    if "{" not in path:
        return {"path": path}
    return {
        "path_match_policy": {
            "name": "envoy.path.match.uri_template.uri_template_matcher",
            "typed_config": {"@type": _TEMPLATE, "path_template": path},
        }
    }


def _outcome(verdict: Verdict) -> matchers.Node:
    if verdict.standing is not Standing.IN_FORCE:
        return matchers.deny(verdict.standing.value)
    node = matchers.allow(verdict.agreement.agreement_id)
    conditions = verdict.agreement.conditions
    if conditions.case_required:
        node = matchers.if_present(headers.CASE_ID.lower(), node, matchers.deny("case-missing"))
    if conditions.officer_required:
        node = matchers.if_present(headers.OFFICER.lower(), node, matchers.deny("officer-missing"))
    return node


def agreement_matcher(operation: Operation, coverage: Coverage) -> matchers.Tree:
    """Return certificate → purpose → agreement, or the refusal that fits."""
    purpose = headers.PURPOSE.lower()
    uncovered = matchers.if_present(
        purpose, matchers.deny("purpose-not-covered"), matchers.deny("purpose-missing")
    )
    cases: dict[str, matchers.Node] = {}
    for san, verdicts in sorted(coverage.of(operation).items()):
        if ANY_PURPOSE in verdicts:
            cases[san] = _outcome(verdicts[ANY_PURPOSE])
        else:
            outcomes = {p: _outcome(v) for p, v in sorted(verdicts.items())}
            cases[san] = matchers.by_header(purpose, outcomes, uncovered)
    return matchers.by_san(cases, matchers.deny("no-agreement"))


def _operators(snapshot: Snapshot, outcome: Callable[[str], matchers.Node]) -> dict[str, matchers.Node]:
    return {
        names.operator_san(o.agency, o.login): outcome(f"{o.agency}:{o.login}")
        for o in snapshot.operators
        if o.state == "ACTIVE"
    }


def _decision(operation: Operation, snapshot: Snapshot, coverage: Coverage) -> dict[str, Any]:
    """Return the agreement filter of one route."""
    if operation.door == "agency":
        return {"matcher": agreement_matcher(operation, coverage), "rules_stat_prefix": "agr_"}
    if operation.door == "operator":
        tree = matchers.by_san(
            _operators(snapshot, lambda _: matchers.allow("operator")), matchers.deny("operator-required")
        )
    else:
        # The agency filter has let nobody through but known systems and operators.
        tree = {"on_no_match": matchers.allow("metadata")}
    decision = {"matcher": tree, "rules_stat_prefix": "agr_"}
    operators = _operators(snapshot, matchers.allow)
    if operators:
        decision["shadow_matcher"] = matchers.by_san(operators, None)
        decision["shadow_rules_stat_prefix"] = "operator_"
    return decision


def _route(operation: Operation, doors: Doors) -> dict[str, Any]:
    match = _path_match(operation.path)
    match["headers"] = [{"name": ":method", "string_match": {"exact": operation.method}}]
    return {
        "name": operation.name,
        "match": match,
        # A path may hold a personal ID: the span is named with the template instead.
        "decorator": {"operation": f"{operation.method} {operation.path}", "propagate": False},
        "route": {"cluster": names.cluster(operation.service), "timeout": f"{doors.timeout_seconds:g}s"},
    }


def _agency_route(operation: Operation, snapshot: Snapshot, coverage: Coverage) -> dict[str, Any]:
    route = _route(operation, snapshot.doors)
    route["typed_per_filter_config"] = {
        names.AGREEMENT_FILTER: {
            "@type": names.RBAC_PER_ROUTE,
            "rbac": _decision(operation, snapshot, coverage),
        }
    }
    if operation.door == "agency":
        route["request_headers_to_add"] = [names.header_to_add(headers.AGREEMENT, names.AGREEMENT_VALUE)]
    else:
        route["request_headers_to_add"] = [names.header_to_add(headers.OPERATOR, names.OPERATOR_VALUE)]
        route["metadata"] = {"filter_metadata": {names.ROUTE_METADATA: {"door": "control"}}}
    return route


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
    operations: list[Operation], route: Callable[[Operation], dict[str, Any]], *, citizen: bool
) -> list[dict[str, Any]]:
    by_path: dict[str, list[Operation]] = {}
    for operation in operations:
        by_path.setdefault(operation.path, []).append(operation)
    found: list[dict[str, Any]] = []
    for path in sorted(by_path, key=_order):
        here = sorted(by_path[path], key=lambda o: o.method)
        found += [route(o) for o in here]
        found.append(_other_methods(path, [o.method for o in here], citizen=citizen))
    return found


_RETRY = {
    # Only where the provider cannot have seen the request: nothing is done twice.
    "retry_on": "connect-failure,refused-stream,reset-before-request",
    "num_retries": 2,
    "retry_back_off": {"base_interval": "0.025s", "max_interval": "0.25s"},
}


def scope_key(path: str) -> str:
    return path.split("/")[1]


def agency_route_configs(snapshot: Snapshot, coverage: Coverage) -> dict[str, dict[str, Any]]:
    """Return route configurations by name; a change of agreements resends only the services it touches."""
    found: dict[str, list[Operation]] = {}
    for operation in snapshot.operations:
        if operation.door in AGENCY_DOORS:
            found.setdefault(scope_key(operation.path), []).append(operation)
    return {
        names.route_config(scope): {
            "name": names.route_config(scope),
            "virtual_hosts": [
                {
                    "name": scope,
                    "domains": ["*"],
                    "routes": _routes(
                        operations, lambda o: _agency_route(o, snapshot, coverage), citizen=False
                    ),
                    "retry_policy": _RETRY,
                    "request_headers_to_add": [
                        names.header_to_add(headers.AGENCY, names.AGENCY_VALUE),
                        names.header_to_add(headers.SYSTEM, names.SYSTEM_VALUE),
                    ],
                }
            ],
        }
        for scope, operations in sorted(found.items())
    }


def scopes(route_configs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return scoped routes: the first path segment chooses the route configuration."""
    return {
        f"scope-{name}": {
            "name": f"scope-{name}",
            "route_configuration_name": name,
            "key": {"fragments": [{"string_key": name.removeprefix("routes-")}]},
        }
        for name in route_configs
    }


def _citizen_route(operation: Operation, doors: Doors) -> dict[str, Any]:
    route = _route(operation, doors)
    if operation.door == "public":
        route["typed_per_filter_config"] = {names.JWT_FILTER: {"@type": _JWT_PER_ROUTE, "disabled": True}}
        return route
    # The token filter has set NDX-Acr from the verified token; the caller's own was stripped.
    enough = {str(level): matchers.allow("citizen") for level in range(operation.acr, _HIGHEST_ACR + 1)}
    tree = matchers.by_header(headers.ACR.lower(), enough, matchers.deny("acr-insufficient"))["matcher"]
    route["typed_per_filter_config"] = {
        names.JWT_FILTER: {"@type": _JWT_PER_ROUTE, "requirement_name": "citizen"},
        names.ACR_FILTER: {
            "@type": names.RBAC_PER_ROUTE,
            "rbac": {"matcher": tree, "rules_stat_prefix": "acr_"},
        },
    }
    return route


def citizen_routes(snapshot: Snapshot) -> dict[str, Any]:
    """Return the citizen door's routes: with a token, or public."""
    operations = [o for o in snapshot.operations if o.door in CITIZEN_DOORS]
    return {
        "name": CITIZENS,
        "virtual_hosts": [
            {
                "name": "citizens",
                "domains": ["*"],
                "routes": _routes(operations, lambda o: _citizen_route(o, snapshot.doors), citizen=True),
                "retry_policy": _RETRY,
            }
        ],
    }
