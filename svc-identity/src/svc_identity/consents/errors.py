"""Why a holder's request about a consent is refused."""

from ndx_chassis.errors import DomainError, Kind


class ConsentNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "consent-not-found"
    title = "You have given no such consent"
    title_vi = "Không có sự đồng ý này"
