"""Why a dependant cannot be attached now."""

from ndx_chassis.errors import DomainError, Kind


class ChildNotKnownYet(DomainError):
    """The population database has not answered for the child yet; the event is tried again."""

    kind = Kind.UNAVAILABLE
    code = "child-not-known-yet"
    title = "The child's data are not available yet"
    title_vi = "Chưa có thông tin của trẻ"
