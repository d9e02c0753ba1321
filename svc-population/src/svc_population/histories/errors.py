"""Why there is no answer from the past."""

from ndx_chassis.errors import DomainError, Kind


class NotKnownThen(DomainError):
    kind = Kind.NOT_FOUND
    code = "person-not-known-then"
    title = "The person was not born on that day, or not on record at that moment"
    title_vi = "Vào thời điểm đó công dân chưa sinh hoặc chưa có hồ sơ"
