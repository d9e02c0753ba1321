"""Refusals as problem+json: one body form for everything that Envoy answers by itself."""

from typing import Any

from gateway.xds.names import TRACE_HEADER

MEDIA_TYPE = "application/problem+json"
_DENIED: dict[str, str] = {
    "agency-unknown": "The client certificate does not name a system that is enrolled on the exchange.",
    "agency-suspended": "The agency is suspended from the exchange; its operator knows why.",
    "certificate-revoked": "The client certificate has been revoked; enrol again.",
    "no-agreement": "No data-sharing agreement in force covers this operation for this system.",
    "purpose-not-covered": "The agreement does not cover the purpose in NDX-Purpose.",
    "agreement-suspended": "The agreement that covers this call is suspended.",
    "operator-required": "This operation is for operators of the exchange.",
}
_TITLES: dict[str, str] = {
    "agency-unknown": "Unknown agency",
    "agency-suspended": "Agency suspended",
    "certificate-revoked": "Certificate revoked",
    "no-agreement": "No agreement",
    "purpose-not-covered": "Purpose not covered",
    "agreement-suspended": "Agreement suspended",
    "operator-required": "Operator required",
}
_CEL = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


def _body(code: str, title: str, detail: str) -> dict[str, Any]:
    return {
        "json_format": {
            "type": f"/problems/{code}",
            "title": title,
            "status": "%RESPONSE_CODE%",
            "detail": detail,
            "instance": "urn:ndx:request:%REQ(NDX-REQUEST-ID)%",
            "code": code,
            "trace_id": f"%REQ({TRACE_HEADER.upper()})%",
        },
        "content_type": MEDIA_TYPE,
    }


def _on(expression: str, code: str, title: str, detail: str, status: int | None = None) -> dict[str, Any]:
    mapper: dict[str, Any] = {
        "filter": {
            "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {"@type": _CEL, "expression": expression},
            }
        },
        "body_format_override": _body(code, title, detail),
    }
    if status is not None:
        mapper["status_code"] = status
    return mapper


def local_replies() -> dict[str, Any]:
    """Return the mapping from Envoy's reasons to the bus's codes."""
    mappers = [
        _on(
            f"response.code_details == 'rbac_access_denied_matched_policy[{code}]'",
            code,
            _TITLES[code],
            words,
        )
        for code, words in _DENIED.items()
    ]
    mappers += [
        _on(
            "response.code == 400 && response.code_details == 'direct_response'",
            "purpose-missing",
            "Purpose missing",
            "Say in NDX-Purpose for what the data is needed.",
        ),
        _on(
            "response.code == 404",
            "operation-unknown",
            "Unknown operation",
            "There is no such operation here.",
        ),
        _on(
            "response.code == 413", "payload-too-large", "Payload too large", "The body is larger than 1 MiB."
        ),
        _on(
            "response.code == 429",
            "burst-exceeded",
            "Too many requests",
            "The agency's requests per second are used up; wait as Retry-After says.",
        ),
        _on(
            "response.code == 503 && response.code_details.contains('overflow')",
            "circuit-open",
            "Circuit open",
            "The provider has more requests than it can take; try again later.",
        ),
        _on(
            "response.code == 503",
            "provider-unavailable",
            "Provider unavailable",
            "The provider cannot be reached; nothing was done.",
        ),
        _on(
            "response.code == 504",
            "provider-timeout",
            "Provider timeout",
            "The provider did not answer in time; it may have acted.",
        ),
        _on(
            "response.code_details.startsWith('jwt_authn')",
            "token-invalid",
            "Token missing or not valid",
            "Log in and send the access token.",
            401,
        ),
    ]
    return {
        "mappers": mappers,
        "body_format": _body("invalid-request", "Request refused", "The gateway cannot accept this request."),
    }
