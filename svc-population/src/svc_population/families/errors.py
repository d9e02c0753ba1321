"""Why a relationship is not recorded or not ended."""

from ndx_chassis.errors import DomainError, Kind


class RelationshipNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "relationship-not-found"
    title = "The person has no such relationship today"
    title_vi = "Công dân hiện không có quan hệ này"


class RelationshipExists(DomainError):
    """One mother, one father, one spouse at a time, for each of the two."""

    kind = Kind.CONFLICT
    code = "relationship-exists"
    title = "There is such a relative already; that relationship is ended first"
    title_vi = "Đã có quan hệ này; cần chấm dứt quan hệ cũ trước"


class RelationshipNotLawful(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "relationship-not-lawful"
    title = "Age, sex, life or dates of the two do not admit this relationship"
    title_vi = "Tuổi, giới tính, tình trạng hoặc ngày tháng không phù hợp với quan hệ này"
