"""Refusals as problem+json: one body form for everything that Envoy answers by itself."""

from dataclasses import dataclass
from typing import Any

from ndx_contracts.headers import REQUEST_ID
from ndx_contracts.problems import MEDIA_TYPE, problem_type
from ndx_contracts.refusal import Refusal
from ndx_contracts.refusals import BY_CODE

from gateway.xds import names
from gateway.xds.names import TRACE_HEADER, TYPE

_BY_QUOTA = "response.code_details == 'rate_limited_by_quota'"
_DAY = 86_400
_OFFSET = "DAY_OFFSET"
# The first seconds of a day belong to the day before for an Envoy that has not been told yet.
_TO_MIDNIGHT = (
    f"(int(request.time) + {_OFFSET}) % {_DAY} < 10 ? 2 : {_DAY} - (int(request.time) + {_OFFSET}) % {_DAY}"
)
_WHOSE = (("quota_of", f"%RESP({names.QUOTA_OF_HEADER.upper()})%"),)
_CEL = TYPE + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


@dataclass(frozen=True, slots=True)
class Reply:
    """When the data plane refuses by itself, and with which of the exchange's refusals."""

    code: str
    when: str = ""
    """Expression over Envoy's reply; empty = the RBAC action of the refusal's name denied it."""
    retry_after: int | str | None = None
    """Seconds, or Envoy's formula for them."""
    further: tuple[tuple[str, str], ...] = ()
    """Further members of the body."""

    @property
    def refusal(self) -> Refusal:
        return BY_CODE[self.code]

    @property
    def expression(self) -> str:
        return self.when or f"response.code_details == 'rbac_access_denied_matched_policy[{self.code}]'"


REPLIES: tuple[Reply, ...] = (
    # First what a flood meets: each further expression costs.
    Reply("burst-exceeded", "response.code_details == 'local_rate_limited'"),
    Reply(
        "monthly-quota-exceeded",
        f"{_BY_QUOTA} && response.headers['{names.QUOTA_UNTIL_HEADER}'] != '0'",
        retry_after=f"%CEL(int(response.headers['{names.QUOTA_UNTIL_HEADER}']) - int(request.time))%",
        further=_WHOSE,
    ),
    Reply("daily-quota-exceeded", _BY_QUOTA, retry_after=f"%CEL({_TO_MIDNIGHT})%", further=_WHOSE),
    Reply("agency-unknown"),
    Reply("agency-suspended"),
    Reply("certificate-revoked"),
    Reply("certificate-issuer-refused"),
    Reply("no-agreement"),
    Reply("purpose-not-covered"),
    Reply("agreement-suspended"),
    Reply("agreement-expired"),
    Reply("operator-required"),
    Reply("acr-insufficient"),
    Reply("purpose-missing"),
    Reply("purpose-unknown"),
    Reply("officer-missing"),
    Reply("case-missing"),
    Reply("header-repeated"),
    Reply("invalid-request"),
    Reply("request-timeout", "response.code == 408"),
    Reply("headers-too-large", "response.code == 431"),
    Reply("token-missing", "response.code_details == 'jwt_authn_access_denied{Jwt_is_missing}'"),
    Reply("token-invalid", "response.code_details.startsWith('jwt_authn_access_denied')"),
    Reply("operation-unknown", "response.code == 404"),
    Reply("method-not-allowed", "response.code == 405"),
    Reply("payload-too-large", "response.code == 413"),
    Reply(
        "circuit-open", "response.code == 503 && response.code_details.contains('overflow')", retry_after=1
    ),
    Reply("provider-unavailable", "response.code == 503", retry_after=2),
    Reply("provider-timeout", "response.code == 504"),
)
"""In the order in which they are tried."""


def _body(code: str, title: str, detail: str, further: tuple[tuple[str, str], ...] = ()) -> dict[str, Any]:
    return {
        "json_format": {
            "type": problem_type(code),
            "title": title,
            "status": "%RESPONSE_CODE%",
            "detail": detail,
            # The request's own name: a path may hold a personal ID.
            "instance": f"urn:ndx:request:%REQ({REQUEST_ID.upper()})%",
            "code": code,
            "trace_id": f"%REQ({TRACE_HEADER.upper()})%",
            **dict(further),
        },
        "content_type": MEDIA_TYPE,
    }


_IN_VIETNAMESE = {"header_filter": {"header": {"name": "accept-language", "string_match": {"prefix": "vi"}}}}


def _mapper(reply: Reply, day_offset: int, *, vietnamese: bool) -> dict[str, Any]:
    refusal = reply.refusal
    reason = {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {"@type": _CEL, "expression": reply.expression},
        }
    }
    title = refusal.title_vi if vietnamese else refusal.title
    mapper: dict[str, Any] = {
        "filter": {"and_filter": {"filters": [_IN_VIETNAMESE, reason]}} if vietnamese else reason,
        "status_code": refusal.status,
        "body_format_override": _body(refusal.code, title, refusal.detail, reply.further),
    }
    if reply.retry_after is not None:
        header = {"key": "Retry-After", "value": str(reply.retry_after).replace(_OFFSET, str(day_offset))}
        mapper["headers_to_add"] = [{"header": header, "append_action": "ADD_IF_ABSENT"}]
    return mapper


def local_replies(day_offset: int) -> dict[str, Any]:
    """Return the mapping from Envoy's reasons to the bus's codes.

    `day_offset` are the seconds by which a day begins earlier than in UTC.
    """
    return {
        "mappers": [
            _mapper(reply, day_offset, vietnamese=vietnamese)
            for vietnamese in (True, False)
            for reply in REPLIES
        ],
        "body_format": _body("invalid-request", "Request refused", "The gateway cannot accept this request."),
    }
