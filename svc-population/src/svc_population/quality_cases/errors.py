"""Why a run is not begun, approved or cancelled."""

from ndx_chassis.errors import DomainError, Kind


class QualityCaseRunNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "quality-case-run-not-found"
    title = "There is no such opening of cases"
    title_vi = "Không có lượt mở trường hợp đối soát này"


class QualityCaseRunUnderWay(DomainError):
    kind = Kind.CONFLICT
    code = "quality-case-run-under-way"
    title = "Another opening of cases has not ended"
    title_vi = "Một lượt mở trường hợp đối soát khác chưa kết thúc"


class QualityCaseStepRefused(DomainError):
    kind = Kind.CONFLICT
    code = "quality-case-step-refused"
    title = "The state of the opening of cases does not allow this step"
    title_vi = "Trạng thái của lượt mở trường hợp đối soát không cho phép bước này"
