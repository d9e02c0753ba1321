"""What can be wrong when a person is read or changed."""

from ndx_chassis.errors import DomainError, Kind


class PersonNotFound(DomainError):
    """Nobody has this number, or the agreement does not reach them: the answer is the same."""

    kind = Kind.NOT_FOUND
    code = "person-not-found"
    title = "Person not found"
    title_vi = "Không tìm thấy công dân"

    def __init__(self) -> None:
        super().__init__("No person with this number lies within what the agreement covers.")


class PersonLocked(DomainError):
    kind = Kind.CONFLICT
    code = "person-locked"
    title = "The record of a dead person changes by a correction only"
    title_vi = "Hồ sơ của người đã mất chỉ được sửa đổi theo thủ tục đính chính"


class ServiceOverloaded(DomainError):
    kind = Kind.UNAVAILABLE
    code = "service-overloaded"
    title = "Too many lookups are waiting"
    title_vi = "Hệ thống đang quá tải yêu cầu tra cứu"


class TooManyWrongGuesses(DomainError):
    """Several wrong answers about one person look like fishing for a value."""

    kind = Kind.TOO_MANY
    code = "too-many-wrong-guesses"
    title = "Too many wrong claims about this person"
    title_vi = "Quá nhiều thông tin sai về công dân này"


class RecordsChangedSince(DomainError):
    """A merger or a split cannot be undone as it was done; what was changed since is corrected by hand."""

    kind = Kind.CONFLICT
    code = "records-changed-since"
    title = "The records were changed since, so this cannot be undone"
    title_vi = "Hồ sơ đã thay đổi sau đó nên không thể hoàn tác"


class SensitiveKeyMissing(DomainError):
    """A sealed value cannot be opened, or none be sealed, until the operator has put the key in place."""

    kind = Kind.UNAVAILABLE
    code = "sensitive-key-missing"
    title = "Sensitive data cannot be read or written for the moment"
    title_vi = "Tạm thời không thể đọc hoặc ghi dữ liệu nhạy cảm"
