"""Why a check is refused."""

from ndx_chassis.errors import DomainError, Kind


class TooManyWrongChecks(DomainError):
    kind = Kind.TOO_MANY
    code = "too-many-wrong-checks"
    title = "Too many checks did not fit; wait before the next one"
    title_vi = "Quá nhiều lần tra cứu sai; vui lòng chờ trước khi tra cứu tiếp"
