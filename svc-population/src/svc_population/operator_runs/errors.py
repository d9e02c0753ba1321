"""Why a run is not approved; each kind of run has its own words for the other refusals."""

from ndx_chassis.errors import DomainError, Kind


class SecondOperatorNeeded(DomainError):
    kind = Kind.FORBIDDEN
    code = "second-operator-needed"
    title = "Another operator than the one who asked for it must approve"
    title_vi = "Phải do cán bộ vận hành khác với người yêu cầu phê duyệt"
