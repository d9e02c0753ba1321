"""Names that several resources share, and small builders for matchers."""

from typing import Any

AGENCY_FILTER = "ndx.agency"
AGREEMENT_FILTER = "ndx.agreement"
BURST_FILTER = "ndx.burst"
JWT_FILTER = "ndx.jwt"
TRACE_HEADER = "x-ndx-trace"

_P = "type.googleapis.com/"
RBAC = _P + "envoy.extensions.filters.http.rbac.v3.RBAC"
RBAC_PER_ROUTE = _P + "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"
ACTION = _P + "envoy.config.rbac.v3.Action"
URI_SAN = _P + "envoy.extensions.matching.common_inputs.ssl.v3.UriSanInput"
HEADER_INPUT = _P + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
LOCAL_RATE_LIMIT = _P + "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
URI_TEMPLATE = _P + "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"


def agency_san(agency: str, system: str) -> str:
    return f"urn:ndx:agency:{agency}:{system}"


def operator_san(agency: str, login: str) -> str:
    return f"urn:ndx:operator:{agency}:{login}"


def action(name: str, *, deny: bool = False) -> dict[str, Any]:
    """Return an RBAC outcome; its name becomes dynamic metadata or the refusal's code."""
    body: dict[str, Any] = {"@type": ACTION, "name": name}
    if deny:
        body["action"] = "DENY"
    return {"action": {"name": "a", "typed_config": body}}


def by_san(cases: dict[str, dict[str, Any]], otherwise: dict[str, Any]) -> dict[str, Any]:
    """Return a matcher on the certificate's URI; an empty map would be refused by Envoy."""
    if not cases:
        return {"on_no_match": otherwise}
    return {
        "matcher_tree": {
            "input": {"name": "san", "typed_config": {"@type": URI_SAN}},
            "exact_match_map": {"map": cases},
        },
        "on_no_match": otherwise,
    }


def by_header(header: str, cases: dict[str, dict[str, Any]], otherwise: dict[str, Any]) -> dict[str, Any]:
    """Return a matcher on one header's exact value."""
    return {
        "matcher": {
            "matcher_tree": {
                "input": {
                    "name": "h",
                    "typed_config": {"@type": HEADER_INPUT, "header_name": header},
                },
                "exact_match_map": {"map": cases},
            },
            "on_no_match": otherwise,
        }
    }


def route_config(service: str) -> str:
    return f"routes-{service}"


def cluster(service: str) -> str:
    return f"svc-{service}"
