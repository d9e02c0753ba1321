"""Why a statistic is not given."""

from ndx_chassis.errors import DomainError, Kind


class StatisticsDayInvalid(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "statistics-day-invalid"
    title = "There are no counts of this day"
    title_vi = "Không có số liệu của ngày này"
