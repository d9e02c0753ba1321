"""Every reason for which the exchange refuses a call, once for all who say it: Envoy, clients, pages."""

from dataclasses import dataclass
from enum import StrEnum


class Layer(StrEnum):
    """Who refuses: Envoy before any service is reached, or the providing service."""

    GATEWAY = "GATEWAY"
    SERVICE = "SERVICE"


class Helper(StrEnum):
    """Who can help the caller."""

    CALLER = "your own developers"
    OPERATOR = "the operator of the exchange"
    PROVIDER = "the providing agency, which approves agreements"
    CONSUMER = "your agency's own contact for agreements, with the providing agency"
    PERSON = "the person whose data it is"
    NOBODY = "nobody needs to: it ends by itself"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One code with its meaning, its remedy and who can help."""

    code: str
    status: int
    title: str
    title_vi: str
    detail: str
    """The cause, as it stands in the reply."""
    remedy: str
    helper: Helper
    layer: Layer = Layer.GATEWAY


_AGAIN = "Send the call again with growing pauses and the same Idempotency-Key: nothing happens twice."
_S = Layer.SERVICE

REFUSALS: tuple[Refusal, ...] = (
    Refusal(
        "certificate-required",
        401,
        "Certificate required",
        "Cần chứng thư của hệ thống",
        "The call came without a client certificate of this exchange; the TLS handshake ends with an alert.",
        "Call with your system's certificate and key: NDX_CERT, NDX_KEY. ndx enrol makes both.",
        Helper.CALLER,
    ),
    Refusal(
        "certificate-revoked",
        403,
        "Certificate revoked",
        "Chứng thư đã bị thu hồi",
        "The client certificate has been revoked; enrol again and use the new one.",
        "Ask for a new enrolment code and get a certificate for a new key: ndx enrol.",
        Helper.OPERATOR,
    ),
    Refusal(
        "certificate-issuer-refused",
        403,
        "Certificate authority not accepted",
        "Không chấp nhận tổ chức cấp chứng thư",
        "The authority that signed the client certificate is retired, or may not vouch for this system.",
        "Renew the certificate (ndx certificate renew); ask which authority is accepted for your agency.",
        Helper.OPERATOR,
    ),
    Refusal(
        "agency-unknown",
        403,
        "Unknown agency",
        "Cơ quan chưa được đăng ký",
        "The client certificate does not name a system or operator that is enrolled on the exchange.",
        "Have the system enrolled, or call with the certificate of one that is.",
        Helper.OPERATOR,
    ),
    Refusal(
        "agency-suspended",
        403,
        "Agency suspended",
        "Cơ quan đang bị tạm dừng",
        "The agency or this system of it is suspended, or closed for good; ask the operator of the exchange.",
        "Ask for the reason; calls pass again at once when the suspension is lifted.",
        Helper.OPERATOR,
    ),
    Refusal(
        "no-agreement",
        403,
        "No agreement",
        "Không có thỏa thuận chia sẻ dữ liệu",
        "No data-sharing agreement in force gives this system this operation; see /v1/allowed-operations.",
        "ndx allowed lists what you may call. For more, ask the providing agency for an agreement.",
        Helper.CONSUMER,
    ),
    Refusal(
        "purpose-missing",
        400,
        "Purpose missing",
        "Thiếu mục đích sử dụng dữ liệu",
        "Say in NDX-Purpose for what the data is needed.",
        "Send one purpose code of your agreement in NDX-Purpose (--purpose); ndx allowed lists them.",
        Helper.CALLER,
    ),
    Refusal(
        "header-repeated",
        400,
        "Header sent more than once",
        "Tiêu đề bị lặp lại",
        "NDX-Purpose, NDX-Officer, NDX-Case-Id and Idempotency-Key are sent once, and hold no comma.",
        "Send each once; make one call for each purpose. Look for a proxy that adds a second header.",
        Helper.CALLER,
    ),
    Refusal(
        "purpose-unknown",
        400,
        "Unknown purpose",
        "Mục đích không có trong danh mục",
        "NDX-Purpose holds none of the exchange's purpose codes, which are in upper case: SOCIAL_INSURANCE.",
        "Write the code exactly as ndx allowed shows it: upper case, with underscores, without spaces.",
        Helper.CALLER,
    ),
    Refusal(
        "purpose-not-covered",
        403,
        "Purpose not covered",
        "Thỏa thuận không bao gồm mục đích này",
        "The agreement does not cover the purpose in NDX-Purpose; see /v1/agreements/mine.",
        "ndx allowed lists the agreement's purposes: use the true one, or have the agreement amended.",
        Helper.CONSUMER,
    ),
    Refusal(
        "agreement-suspended",
        403,
        "Agreement suspended",
        "Thỏa thuận đang bị tạm dừng",
        "The agreement that covers this call is suspended; ask the operator of the exchange.",
        "Ask for the reason; calls pass again at once when it is resumed. Repeating the call does not help.",
        Helper.PROVIDER,
    ),
    Refusal(
        "agreement-expired",
        403,
        "Agreement expired",
        "Thỏa thuận đã hết hiệu lực",
        "The agreement that covered this call has ended; a new version must be approved.",
        "Have it renewed: an amendment with a later last day, approved by the providing agency.",
        Helper.CONSUMER,
    ),
    Refusal(
        "officer-missing",
        400,
        "Officer missing",
        "Thiếu mã cán bộ",
        "The agreement asks for the officer's id in NDX-Officer.",
        "Send the id of the officer who asks in NDX-Officer (--officer).",
        Helper.CALLER,
    ),
    Refusal(
        "case-missing",
        400,
        "Case missing",
        "Thiếu mã hồ sơ",
        "The agreement asks for the dossier in NDX-Case-Id.",
        "Send the number of the dossier that needs the data in NDX-Case-Id (--case).",
        Helper.CALLER,
    ),
    Refusal(
        "operator-required",
        403,
        "Operator required",
        "Chỉ dành cho người vận hành trục",
        "This operation is for operators of the exchange, with their own certificate.",
        "Call with an operator's certificate.",
        Helper.OPERATOR,
    ),
    Refusal(
        "acr-insufficient",
        403,
        "A stronger log-in is needed",
        "Cần đăng nhập ở mức xác thực cao hơn",
        "Log in again with a higher level of authentication.",
        "Send the citizen to the log-in page with the level that the operation needs (acr_values).",
        Helper.PERSON,
    ),
    Refusal(
        "token-missing",
        401,
        "Token missing",
        "Thiếu mã truy cập",
        "Log in and send the access token as Authorization: Bearer.",
        "Log in and send the access token.",
        Helper.CALLER,
    ),
    Refusal(
        "token-invalid",
        401,
        "Token not valid",
        "Mã truy cập không hợp lệ",
        "The access token is expired, for somebody else, or not from the e-ID provider; log in again.",
        "Get a new token; check issuer, audience and clock.",
        Helper.CALLER,
    ),
    Refusal(
        "operation-unknown",
        404,
        "Unknown operation",
        "Không có thao tác này",
        "There is no such operation here; see /v1/services.",
        "Check the path: ndx services and ndx operations list what exists.",
        Helper.CALLER,
    ),
    Refusal(
        "method-not-allowed",
        405,
        "Method not allowed",
        "Phương thức không được hỗ trợ",
        "This resource does not offer the method; the header Allow names those that it offers.",
        "Use a method that the header Allow names.",
        Helper.CALLER,
    ),
    Refusal(
        "payload-too-large",
        413,
        "Payload too large",
        "Nội dung yêu cầu quá lớn",
        "The body is larger than 1 MiB.",
        "Send less in one call, or use a batch operation.",
        Helper.CALLER,
    ),
    Refusal(
        "headers-too-large",
        431,
        "Headers too large",
        "Phần đầu yêu cầu quá lớn",
        "Path and headers may have 32 KiB and 100 headers together.",
        "Send fewer and shorter headers; personal data belongs into the body.",
        Helper.CALLER,
    ),
    Refusal(
        "request-timeout",
        408,
        "Request too slow",
        "Yêu cầu gửi quá chậm",
        "The request did not arrive whole in time; nothing was done.",
        "Send it again, whole and without pauses.",
        Helper.CALLER,
    ),
    Refusal(
        "burst-exceeded",
        429,
        "Too many requests",
        "Quá nhiều yêu cầu",
        "The requests per second are used up; wait as Retry-After says.",
        "Wait as Retry-After says and spread calls evenly; for a larger quota, have the agreement amended.",
        Helper.CONSUMER,
    ),
    Refusal(
        "daily-quota-exceeded",
        429,
        "Daily quota exceeded",
        "Đã hết hạn mức trong ngày",
        "The requests of this day are used up; wait as Retry-After says.",
        "Go on tomorrow, or ask for a larger quota; ndx explain and /v1/usage/mine show what is left.",
        Helper.CONSUMER,
    ),
    Refusal(
        "monthly-quota-exceeded",
        429,
        "Monthly quota exceeded",
        "Đã hết hạn mức trong tháng",
        "The requests of this month are used up; wait as Retry-After says.",
        "Go on next month, or ask for a larger quota; ndx usage and /v1/usage/mine show what is left.",
        Helper.CONSUMER,
    ),
    Refusal(
        "circuit-open",
        503,
        "Circuit open",
        "Đơn vị cung cấp đang quá tải",
        "The provider has more requests than it can take; nothing was done.",
        _AGAIN,
        Helper.NOBODY,
    ),
    Refusal(
        "provider-unavailable",
        503,
        "Provider unavailable",
        "Không kết nối được đơn vị cung cấp",
        "The provider cannot be reached or broke off; send the call again with its Idempotency-Key.",
        _AGAIN,
        Helper.NOBODY,
    ),
    Refusal(
        "provider-timeout",
        504,
        "Provider timeout",
        "Đơn vị cung cấp không trả lời kịp",
        "The provider did not answer in time and may have acted; repeat with the same Idempotency-Key.",
        _AGAIN,
        Helper.NOBODY,
    ),
    Refusal(
        "invalid-request",
        400,
        "Request refused",
        "Yêu cầu không hợp lệ",
        "The gateway cannot accept this request: look at its path, its Host and its method.",
        "Use an HTTP library as it is: no escaped slash, semicolon or fragment in the path, no underscore in "
        "a header's name, one Host, a body whose length is clear.",
        Helper.CALLER,
    ),
    Refusal(
        "header-invalid",
        400,
        "A header of the call is not valid",
        "Tiêu đề của yêu cầu không hợp lệ",
        "NDX-Officer or NDX-Case-Id is empty, too long, or holds what cannot be printed.",
        "Send each once, with 1 to 128 printable characters.",
        Helper.CALLER,
        _S,
    ),
    Refusal(
        "field-group-not-covered",
        403,
        "The agreement does not cover these field groups",
        "Thỏa thuận không bao gồm các nhóm thông tin này",
        "The call asks for field groups that the agreement does not give; the reply names them.",
        "Ask for fewer fields (ndx allowed lists the groups), or have the agreement amended.",
        Helper.CONSUMER,
        _S,
    ),
    Refusal(
        "outside-admin-scope",
        403,
        "The place lies outside the agreement's administrative scope",
        "Địa bàn nằm ngoài phạm vi của thỏa thuận",
        "The agreement covers the people of other provinces and communes.",
        "Send the case to the agency whose area it is, or have the scope amended. Where even the existence "
        "of a person is private, the answer is person-not-found instead.",
        Helper.CONSUMER,
        _S,
    ),
    Refusal(
        "outside-agreed-hours",
        403,
        "The agreement does not cover this time of day",
        "Thỏa thuận không bao gồm khung giờ này",
        "The agreement gives data only within certain hours, in Vietnam's time.",
        "Call within the hours of the agreement; Retry-After says when they begin.",
        Helper.CONSUMER,
        _S,
    ),
    Refusal(
        "consent-missing",
        403,
        "The person has not consented",
        "Chưa có sự đồng ý của người dân",
        "The agreement asks for the person's consent for this agency and purpose; none is in force.",
        "Ask the person to consent in their e-ID application, then call again.",
        Helper.PERSON,
        _S,
    ),
    Refusal(
        "signature-missing",
        400,
        "The agreement asks for a signed call",
        "Thỏa thuận yêu cầu ký số yêu cầu",
        "The agreement asks that every call is signed with a key that the calling system has published.",
        "Make and publish a key with ndx signing-key, then call with ndx call --sign.",
        Helper.CALLER,
        _S,
    ),
    Refusal(
        "signature-invalid",
        401,
        "The call's signature is not valid",
        "Chữ ký của yêu cầu không hợp lệ",
        "The signature is of no key in force of this system, over five minutes old, or of something else."
        " The refusal is signed by the provider, but does not cover a signature that it did not accept,"
        " so it is no proof about the call.",
        "Set the clock, see ndx signing-key list, and sign exactly what is sent, as ndx call --sign does.",
        Helper.CALLER,
        _S,
    ),
    Refusal(
        "signing-key-not-synchronised",
        503,
        "The service has not received this signing key yet",
        "Dịch vụ chưa nhận được khóa ký này",
        "The call is signed with a key that the service does not know, and it has not yet read all of them.",
        "Call again after Retry-After, or without a signature where the agreement asks for none.",
        Helper.NOBODY,
        _S,
    ),
    Refusal(
        "agreement-not-synchronised",
        503,
        "The service has not received this agreement yet",
        "Dịch vụ chưa nhận được thỏa thuận này",
        "The agreement is new, and its announcement has not reached the service.",
        "Try again after Retry-After; it takes a second at most while all parts run.",
        Helper.NOBODY,
        _S,
    ),
)
BY_CODE: dict[str, Refusal] = {refusal.code: refusal for refusal in REFUSALS}


def page(refusal: Refusal) -> str:
    """Return the documentation page of a code, in Markdown."""
    who = {
        Layer.GATEWAY: "The gateway refuses: no service was reached and nothing was done.",
        Layer.SERVICE: "The providing service refuses under the agreement: nothing was given or done.",
    }[refusal.layer]
    if refusal.code in {"provider-unavailable", "provider-timeout"}:
        who = "The gateway answers in the provider's place; the provider may have received the call."
    return (
        f"# `{refusal.code}` ({refusal.status})\n\n"
        f"**{refusal.title}** · {refusal.title_vi}\n\n"
        f"{who}\n\n"
        f"## Cause\n\n{refusal.detail}\n\n"
        f"## Remedy\n\n{refusal.remedy}\n\n"
        f"## Who can help\n\n{refusal.helper[0].upper()}{refusal.helper[1:]}. "
        "Give them the `trace_id` of the reply; it holds nothing about a person.\n"
    )
