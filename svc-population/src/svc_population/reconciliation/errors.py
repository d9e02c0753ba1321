"""Why a case is not opened or not decided."""

from ndx_chassis.errors import DomainError, Kind


class CaseNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "reconciliation-case-not-found"
    title = "There is no such case among those that you may see"
    title_vi = "Không có trường hợp đối soát này"


class CaseStepRefused(DomainError):
    kind = Kind.CONFLICT
    code = "reconciliation-step-refused"
    title = "The case's state does not allow this outcome"
    title_vi = "Trạng thái đối soát không cho phép kết luận này"
