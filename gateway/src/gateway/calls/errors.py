"""What may go wrong when calls are looked for."""

from ndx_chassis.errors import DomainError, Kind


class CallCursorInvalid(DomainError):
    kind = Kind.INVALID
    code = "call-cursor-invalid"
    title = "The cursor is not one that this list gave"
    title_vi = "Con trỏ không phải do danh sách này cấp"
