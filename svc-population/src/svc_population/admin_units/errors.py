"""What can be wrong when a unit is asked for."""

from ndx_chassis.errors import DomainError, Kind


class AdminUnitNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "admin-unit-not-found"
    title = "There is no such administrative unit on this day"
    title_vi = "Không có đơn vị hành chính này vào ngày đã cho"
