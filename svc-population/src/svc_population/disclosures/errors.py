"""What can be wrong when a citizen asks for the reads of their data."""

from ndx_chassis.errors import DomainError, Kind


class CursorInvalid(DomainError):
    code = "cursor-invalid"
    title = "The cursor is not one that this list gave"
    title_vi = "Con trỏ trang không hợp lệ"


class SubjectNotFound(DomainError):
    """Not oneself and not one's child under 14: whether such a person exists stays private."""

    kind = Kind.NOT_FOUND
    code = "disclosure-subject-not-found"
    title = "There is no such person among those whose reads you may see"
    title_vi = "Không có người này trong danh sách bạn được xem"
