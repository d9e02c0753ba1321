"""Why an agency, system or operator action is refused."""

from ndx_chassis.errors import DomainError, Kind


class AgencyNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "agency-not-found"
    title = "There is no such agency"
    title_vi = "Không tìm thấy cơ quan"


class AgencyExists(DomainError):
    kind = Kind.CONFLICT
    code = "agency-exists"
    title = "An agency with this code exists"
    title_vi = "Mã cơ quan đã tồn tại"


class AgencyIsClosed(DomainError):
    kind = Kind.CONFLICT
    code = "agency-closed"
    title = "The agency is closed for good"
    title_vi = "Cơ quan đã chấm dứt hoạt động trên trục"


class SystemExists(DomainError):
    kind = Kind.CONFLICT
    code = "system-exists"
    title = "The agency has a system with this code"
    title_vi = "Hệ thống đã tồn tại"


class TransitionRefused(DomainError):
    kind = Kind.CONFLICT
    code = "transition-refused"
    title = "The state does not allow this action"
    title_vi = "Trạng thái không cho phép thao tác này"


class RoleMissing(DomainError):
    kind = Kind.FORBIDDEN
    code = "role-missing"
    title = "The operator does not have the role for this"
    title_vi = "Cán bộ vận hành không có vai trò cần thiết"


class EnrolmentCodeInvalid(DomainError):
    kind = Kind.FORBIDDEN
    code = "enrolment-code-invalid"
    title = "The enrolment code is unknown, used, expired or tried too often"
    title_vi = "Mã đăng ký không đúng, đã dùng, hết hạn hoặc thử quá nhiều lần"
