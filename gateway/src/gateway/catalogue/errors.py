"""What the catalogue does not know."""

from ndx_chassis.errors import DomainError, Kind


class ServiceUnknown(DomainError):
    kind = Kind.NOT_FOUND
    code = "service-unknown"
    title = "There is no such service on the bus"
    title_vi = "Không có dịch vụ này trên trục"
