"""Refusals as problem+json: one body form for everything that Envoy answers by itself."""

from dataclasses import dataclass
from typing import Any

from ndx_contracts.headers import REQUEST_ID
from ndx_contracts.problems import MEDIA_TYPE, problem_type

from gateway.xds.names import TRACE_HEADER, TYPE

_CEL = TYPE + "envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason for which the data plane refuses a call."""

    code: str
    status: int
    title: str
    title_vi: str
    detail: str
    when: str = ""
    """Expression over Envoy's reply; empty = the RBAC action of the refusal's name denied it."""
    retry_after: int | None = None

    @property
    def expression(self) -> str:
        return self.when or f"response.code_details == 'rbac_access_denied_matched_policy[{self.code}]'"


REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "agency-unknown",
        403,
        "Unknown agency",
        "Cơ quan chưa được đăng ký",
        "The client certificate does not name a system or operator that is enrolled on the exchange.",
    ),
    Refusal(
        "agency-suspended",
        403,
        "Agency suspended",
        "Cơ quan đang bị tạm dừng",
        "The agency or this system of it is suspended; ask the operator of the exchange.",
    ),
    Refusal(
        "certificate-revoked",
        403,
        "Certificate revoked",
        "Chứng thư đã bị thu hồi",
        "The client certificate has been revoked; enrol again and use the new one.",
    ),
    Refusal(
        "certificate-issuer-refused",
        403,
        "Certificate authority not accepted",
        "Tổ chức chứng thực không được chấp nhận",
        "The authority that signed the client certificate is retired, or may not vouch for this system.",
    ),
    Refusal(
        "no-agreement",
        403,
        "No agreement",
        "Không có thỏa thuận chia sẻ dữ liệu",
        "No data-sharing agreement in force gives this system this operation; see /v1/allowed-operations.",
    ),
    Refusal(
        "purpose-not-covered",
        403,
        "Purpose not covered",
        "Thỏa thuận không bao gồm mục đích này",
        "The agreement does not cover the purpose in NDX-Purpose; see /v1/agreements/mine.",
    ),
    Refusal(
        "agreement-suspended",
        403,
        "Agreement suspended",
        "Thỏa thuận đang bị tạm dừng",
        "The agreement that covers this call is suspended; ask the operator of the exchange.",
    ),
    Refusal(
        "agreement-expired",
        403,
        "Agreement expired",
        "Thỏa thuận đã hết hiệu lực",
        "The agreement that covered this call has ended; a new version must be approved.",
    ),
    Refusal(
        "operator-required",
        403,
        "Operator required",
        "Chỉ dành cho người vận hành trục",
        "This operation is for operators of the exchange, with their own certificate.",
    ),
    Refusal(
        "acr-insufficient",
        403,
        "A stronger log-in is needed",
        "Cần đăng nhập ở mức xác thực cao hơn",
        "Log in again with a higher level of authentication.",
    ),
    Refusal(
        "purpose-missing",
        400,
        "Purpose missing",
        "Thiếu mục đích sử dụng dữ liệu",
        "Say in NDX-Purpose for what the data is needed.",
    ),
    Refusal(
        "officer-missing",
        400,
        "Officer missing",
        "Thiếu mã cán bộ",
        "The agreement asks for the officer's id in NDX-Officer.",
    ),
    Refusal(
        "case-missing",
        400,
        "Case missing",
        "Thiếu mã hồ sơ",
        "The agreement asks for the dossier in NDX-Case-Id.",
    ),
    Refusal(
        "header-repeated",
        400,
        "Header repeated",
        "Tiêu đề bị lặp lại",
        "NDX-Purpose, NDX-Officer, NDX-Case-Id and Idempotency-Key are sent once, and hold no comma.",
    ),
    Refusal(
        "invalid-request",
        400,
        "Request refused",
        "Yêu cầu bị từ chối",
        "The gateway cannot accept this request: look at its path, its Host and its method.",
    ),
    Refusal(
        "request-timeout",
        408,
        "Request took too long",
        "Gửi yêu cầu quá chậm",
        "The request did not arrive whole in time; nothing was done.",
        "response.code == 408",
    ),
    Refusal(
        "headers-too-large",
        431,
        "Headers too large",
        "Tiêu đề yêu cầu quá lớn",
        "Path and headers may have 32 KiB and 100 headers together.",
        "response.code == 431",
    ),
    Refusal(
        "token-missing",
        401,
        "Token missing",
        "Thiếu mã truy cập",
        "Log in and send the access token as Authorization: Bearer.",
        "response.code_details == 'jwt_authn_access_denied{Jwt_is_missing}'",
    ),
    Refusal(
        "token-invalid",
        401,
        "Token not valid",
        "Mã truy cập không hợp lệ",
        "The access token is expired, for somebody else, or not from the e-ID provider; log in again.",
        "response.code_details.startsWith('jwt_authn_access_denied')",
    ),
    Refusal(
        "operation-unknown",
        404,
        "Unknown operation",
        "Không có thao tác này",
        "There is no such operation here; see /v1/services.",
        "response.code == 404",
    ),
    Refusal(
        "method-not-allowed",
        405,
        "Method not allowed",
        "Phương thức không được hỗ trợ",
        "This resource does not offer the method; the header Allow names those that it offers.",
        "response.code == 405",
    ),
    Refusal(
        "payload-too-large",
        413,
        "Payload too large",
        "Nội dung yêu cầu quá lớn",
        "The body is larger than 1 MiB.",
        "response.code == 413",
    ),
    Refusal(
        "burst-exceeded",
        429,
        "Too many requests",
        "Quá nhiều yêu cầu",
        "The requests per second are used up; wait as Retry-After says.",
        "response.code == 429",
    ),
    Refusal(
        "circuit-open",
        503,
        "Circuit open",
        "Đơn vị cung cấp đang quá tải",
        "The provider has more requests than it can take; nothing was done.",
        "response.code == 503 && response.code_details.contains('overflow')",
        retry_after=1,
    ),
    Refusal(
        "provider-unavailable",
        503,
        "Provider unavailable",
        "Không kết nối được đơn vị cung cấp",
        "The provider cannot be reached or broke off; send the call again with its Idempotency-Key.",
        "response.code == 503",
        retry_after=2,
    ),
    Refusal(
        "provider-timeout",
        504,
        "Provider timeout",
        "Đơn vị cung cấp không trả lời kịp",
        "The provider did not answer in time and may have acted; repeat with the same Idempotency-Key.",
        "response.code == 504",
    ),
)
"""In the order in which they are tried."""


def _body(code: str, title: str, detail: str) -> dict[str, Any]:
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
        },
        "content_type": MEDIA_TYPE,
    }


_IN_VIETNAMESE = {"header_filter": {"header": {"name": "accept-language", "string_match": {"prefix": "vi"}}}}


def _mapper(refusal: Refusal, *, vietnamese: bool) -> dict[str, Any]:
    reason = {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {"@type": _CEL, "expression": refusal.expression},
        }
    }
    title = refusal.title_vi if vietnamese else refusal.title
    mapper: dict[str, Any] = {
        "filter": {"and_filter": {"filters": [_IN_VIETNAMESE, reason]}} if vietnamese else reason,
        "status_code": refusal.status,
        "body_format_override": _body(refusal.code, title, refusal.detail),
    }
    if refusal.retry_after is not None:
        header = {"key": "Retry-After", "value": str(refusal.retry_after)}
        mapper["headers_to_add"] = [{"header": header, "append_action": "ADD_IF_ABSENT"}]
    return mapper


def local_replies() -> dict[str, Any]:
    """Return the mapping from Envoy's reasons to the bus's codes."""
    return {
        "mappers": [
            _mapper(refusal, vietnamese=vietnamese) for vietnamese in (True, False) for refusal in REFUSALS
        ],
        "body_format": _body("invalid-request", "Request refused", "The gateway cannot accept this request."),
    }
