"""Why an operator is not let in."""

from ndx_chassis.errors import DomainError, Kind


class RoleMissing(DomainError):
    kind = Kind.FORBIDDEN
    code = "role-missing"
    title = "The operator does not have the role for this"
    title_vi = "Cán bộ vận hành không có vai trò cần thiết"
