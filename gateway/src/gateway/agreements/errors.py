"""Why a step of an agreement is refused."""

from ndx_chassis.errors import DomainError, Kind


class AgreementNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "agreement-not-found"
    title = "There is no such agreement"
    title_vi = "Không tìm thấy thỏa thuận"


class AgreementVersionNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "agreement-version-not-found"
    title = "The agreement has no such version"
    title_vi = "Thỏa thuận không có phiên bản này"


class StepRefused(DomainError):
    kind = Kind.CONFLICT
    code = "agreement-step-refused"
    title = "The agreement's state does not allow this step"
    title_vi = "Trạng thái thỏa thuận không cho phép bước này"


class VersionConflict(DomainError):
    kind = Kind.PRECONDITION_FAILED
    code = "agreement-version-conflict"
    title = "Somebody else changed the agreement meanwhile"
    title_vi = "Thỏa thuận đã được người khác thay đổi"


class VersionMissing(DomainError):
    kind = Kind.PRECONDITION_REQUIRED
    code = "agreement-version-missing"
    title = "A decision names in If-Match what it was made on"
    title_vi = "Quyết định phải nêu trong If-Match nội dung đã xem xét"


class FourEyes(DomainError):
    kind = Kind.FORBIDDEN
    code = "four-eyes"
    title = "A second person of the providing agency must decide"
    title_vi = "Phải do người thứ hai của cơ quan cung cấp quyết định"


class TermsRefused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "agreement-terms-refused"
    title = "The terms name something that does not exist or does not fit"
    title_vi = "Điều khoản nêu thành phần không tồn tại hoặc không phù hợp"
