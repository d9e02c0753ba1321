"""Why there is no forecast."""

from ndx_chassis.errors import DomainError, Kind


class ForecastBaseTooSmall(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "forecast-base-too-small"
    title = "Too few people are counted there for a forecast"
    title_vi = "Số dân quá ít để dự báo"
