"""What can go wrong with any civil status record."""

from ndx_chassis.errors import DomainError, Kind


class GuardFailed(DomainError):
    """The record's state does not allow the action; `guard` names the rule that says so."""

    kind = Kind.CONFLICT
    code = "guard-failed"
    title = "The record's state does not allow this action"
    title_vi = "Trạng thái hồ sơ không cho phép thao tác này"

    def __init__(self, guard: str, detail: str) -> None:
        super().__init__(f"Guard {guard}: {detail}")
        self.guard = guard


class OfficeNotCovered(DomainError):
    kind = Kind.FORBIDDEN
    code = "office-not-covered"
    title = "The caller may not act for this office"
    title_vi = "Bên gọi không được thao tác thay cho cơ quan đăng ký này"


class OfficeUnknown(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "office-unknown"
    title = "No registering office has this code"
    title_vi = "Không có cơ quan đăng ký với mã này"


class SecondOfficerNeeded(DomainError):
    kind = Kind.FORBIDDEN
    code = "second-officer-needed"
    title = "Another officer than the one who proposed it must decide"
    title_vi = "Phải do cán bộ khác với người đề nghị quyết định"
