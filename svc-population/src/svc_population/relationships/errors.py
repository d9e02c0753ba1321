"""What can be wrong with a relationship."""

from ndx_chassis.errors import DomainError, Kind


class RelationshipCycle(DomainError):
    """A person would become their own ancestor."""

    kind = Kind.CONFLICT
    code = "relationship-cycle"
    title = "A person cannot be their own ancestor"
    title_vi = "Một người không thể là tổ tiên của chính mình"


class NotRelated(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "not-related"
    title = "A person who was named as a relative is none on record"
    title_vi = "Người được nêu không có quan hệ thân nhân trong hồ sơ"
