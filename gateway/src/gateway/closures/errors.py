"""Why an agency is not closed."""

from ndx_chassis.errors import DomainError, Kind


class AgencyInUse(DomainError):
    kind = Kind.CONFLICT
    code = "agency-in-use"
    title = "Others still depend on this agency"
    title_vi = "Cơ quan khác còn phụ thuộc vào cơ quan này"
