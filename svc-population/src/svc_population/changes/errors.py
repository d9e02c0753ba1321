"""Why a change of a person is refused."""

from ndx_chassis.errors import DomainError, Kind


class VersionMissing(DomainError):
    kind = Kind.PRECONDITION_REQUIRED
    code = "person-version-missing"
    title = "A change names the version it was decided on in If-Match"
    title_vi = "Yêu cầu thay đổi phải nêu phiên bản hồ sơ trong If-Match"


class VersionConflict(DomainError):
    kind = Kind.PRECONDITION_FAILED
    code = "person-version-conflict"
    title = "The person's record was changed meanwhile"
    title_vi = "Hồ sơ công dân đã được thay đổi trong thời gian đó"


class SourceElsewhere(DomainError):
    """Another agency is the source of these groups: a difference is reconciled, not overwritten."""

    kind = Kind.FORBIDDEN
    code = "source-of-truth-elsewhere"
    title = "Another agency is the source of these field groups; have the difference reconciled"
    title_vi = "Nguồn gốc của nhóm thông tin này thuộc cơ quan khác; hãy chuyển đối soát"


class LaterChangeKnown(DomainError):
    """What is stated as new is older than what the record holds; only a correction overrides that."""

    kind = Kind.CONFLICT
    code = "later-change-known"
    title = "The record holds a later change of this group"
    title_vi = "Hồ sơ đã ghi nhận thay đổi có hiệu lực muộn hơn"


class PersonalIdDecides(DomainError):
    """Birth year, sex and province of registration are in the number: it must be re-established first."""

    kind = Kind.CONFLICT
    code = "personal-id-decides"
    title = "The new value contradicts the personal number; cancel and re-establish the number instead"
    title_vi = "Thông tin mới trái với số định danh; phải hủy và xác lập lại số định danh"


class DeathRegistered(DomainError):
    """The entry at the civil registry is its office's to cancel, by two officers; the record follows it."""

    kind = Kind.CONFLICT
    code = "death-is-registered"
    title = "The death stands in the civil registry; have the entry cancelled there instead"
    title_vi = "Việc khai tử đang có hiệu lực tại sổ hộ tịch; hãy yêu cầu hủy đăng ký khai tử tại đó"
