"""One route configuration per service: each operation's route carries the agreements that cover it."""

from typing import Any

from ndx_contracts.agreements import Agreement, AgreementState

from gateway.catalogue.operations import Operation
from gateway.xds import names
from gateway.xds.snapshot import Snapshot

_AGENCY_VALUE = "%DYNAMIC_METADATA(envoy.filters.http.rbac:agency_enforced_effective_policy_id)%"
_AGREEMENT_VALUE = "%DYNAMIC_METADATA(envoy.filters.http.rbac:agr_enforced_effective_policy_id)%"
TIMEOUT = "15s"


def _header(key: str, value: str) -> dict[str, Any]:
    return {"header": {"key": key, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def _match(operation: Operation, *, purpose: bool) -> dict[str, Any]:
    headers: list[dict[str, Any]] = [{"name": ":method", "string_match": {"exact": operation.method}}]
    if purpose:
        headers.append({"name": "ndx-purpose", "present_match": True})
    if "{" not in operation.path:
        return {"path": operation.path, "headers": headers}
    return {
        "headers": headers,
        "path_match_policy": {
            "name": "envoy.path.match.uri_template.uri_template_matcher",
            "typed_config": {"@type": names.URI_TEMPLATE, "path_template": operation.path},
        },
    }


def _outcome(agreement: Agreement) -> dict[str, Any]:
    if agreement.state is AgreementState.SUSPENDED:
        return names.action("agreement-suspended", deny=True)
    return names.action(agreement.agreement_id)


def agreement_matcher(operation: Operation, snapshot: Snapshot) -> dict[str, Any]:
    """Return certificate → purpose → agreement, or the refusal that fits.

    Where two agreements cover the same call, an active one wins over a suspended one, then the lower number.
    """
    cases: dict[str, dict[str, dict[str, Any]]] = {}
    systems = {a.code: [s.code for s in a.systems] for a in snapshot.agencies}
    covering = [a for a in snapshot.agreements if a.grant(operation.name) is not None]
    # Later entries overwrite earlier ones, so the strongest come last.
    covering.sort(key=lambda a: (a.state is AgreementState.ACTIVE, -int(a.agreement_id.rsplit("-", 1)[1])))
    for agreement in covering:
        for system in agreement.consumer_systems or systems.get(agreement.consumer_agency, []):
            purposes = cases.setdefault(names.agency_san(agreement.consumer_agency, system), {})
            for purpose in agreement.purposes:
                purposes[purpose.value] = _outcome(agreement)
    refusal = names.action("purpose-not-covered", deny=True)
    if operation.personal_data:
        by_san = {san: names.by_header("ndx-purpose", p, refusal) for san, p in cases.items()}
    else:
        by_san = {san: next(reversed(p.values())) for san, p in cases.items()}
    return names.by_san(by_san, names.action("no-agreement", deny=True))


def _operator_matcher(snapshot: Snapshot) -> dict[str, Any]:
    cases = {
        names.operator_san(o.agency, o.login): names.action("operator")
        for o in snapshot.operators
        if o.state == "ACTIVE"
    }
    return names.by_san(cases, names.action("operator-required", deny=True))


def _everybody() -> dict[str, Any]:
    return {"on_no_match": names.action("metadata")}


def _agency_routes(operation: Operation, snapshot: Snapshot) -> list[dict[str, Any]]:
    if operation.door == "operator":
        matcher = _operator_matcher(snapshot)
    elif operation.door == "agency_metadata":
        matcher = _everybody()
    else:
        matcher = agreement_matcher(operation, snapshot)
    needs_purpose = operation.door == "agency" and operation.personal_data
    # A path may hold a personal ID: the span carries the template instead.
    decorator = {"operation": f"{operation.method} {operation.path}"}
    headers = [_header("NDX-Agreement", _AGREEMENT_VALUE)] if operation.door == "agency" else []
    if operation.door in {"operator", "agency_metadata"}:
        headers.append(_header("NDX-Operator", "%DOWNSTREAM_PEER_URI_SAN%"))
    route: dict[str, Any] = {
        "name": operation.name,
        "match": _match(operation, purpose=needs_purpose),
        "decorator": decorator,
        "route": {"cluster": names.cluster(operation.service), "timeout": TIMEOUT},
        "request_headers_to_add": headers,
        "typed_per_filter_config": {
            names.AGREEMENT_FILTER: {
                "@type": names.RBAC_PER_ROUTE,
                "rbac": {"matcher": matcher, "rules_stat_prefix": "agr_"},
            }
        },
    }
    if not needs_purpose:
        return [route]
    refused = {
        "name": f"{operation.name}#no-purpose",
        "match": _match(operation, purpose=False),
        "decorator": decorator,
        "direct_response": {"status": 400, "body": {"inline_string": "purpose-missing"}},
    }
    return [route, refused]


def _order(operation: Operation) -> tuple[int, str]:
    # Literal paths before templates that would match them too.
    return (operation.path.count("{"), operation.path)


def scope_key(path: str) -> str:
    return path.split("/")[1]


def agency_route_configs(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return route configurations by name; a change of agreements resends only the services it touches."""
    found: dict[str, list[Operation]] = {}
    for operation in snapshot.operations:
        if operation.door in {"agency", "operator", "agency_metadata"}:
            found.setdefault(scope_key(operation.path), []).append(operation)
    return {
        names.route_config(scope): {
            "name": names.route_config(scope),
            "virtual_hosts": [
                {
                    "name": scope,
                    "domains": ["*"],
                    "routes": [
                        route
                        for operation in sorted(operations, key=_order)
                        for route in _agency_routes(operation, snapshot)
                    ],
                    "request_headers_to_add": [
                        _header("NDX-Agency", _AGENCY_VALUE),
                        _header("NDX-System", "%DOWNSTREAM_PEER_URI_SAN%"),
                    ],
                }
            ],
        }
        for scope, operations in sorted(found.items())
    }


def scopes(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return scoped routes: the first path segment chooses the route configuration."""
    return {
        name: {
            "name": f"scope-{name}",
            "route_configuration_name": name,
            "key": {"fragments": [{"string_key": name.removeprefix("routes-")}]},
        }
        for name in agency_route_configs(snapshot)
    }


def citizen_routes(snapshot: Snapshot) -> dict[str, Any]:
    """Return the citizen door's routes: with a token, or public."""
    routes = []
    for operation in sorted(snapshot.operations, key=_order):
        if operation.door not in {"citizen", "public"}:
            continue
        requirement: dict[str, Any] = {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.PerRouteConfig"
        }
        if operation.door == "citizen":
            requirement["requirement_name"] = "citizen"
        else:
            requirement["disabled"] = True
        routes.append(
            {
                "name": operation.name,
                "match": _match(operation, purpose=False),
                "decorator": {"operation": f"{operation.method} {operation.path}"},
                "route": {"cluster": names.cluster(operation.service), "timeout": TIMEOUT},
                "typed_per_filter_config": {names.JWT_FILTER: requirement},
            }
        )
    return {
        "name": "routes-citizens",
        "virtual_hosts": [{"name": "citizens", "domains": ["*"], "routes": routes}],
    }
