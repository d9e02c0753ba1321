"""Why a run is not begun, approved or cancelled."""

from ndx_chassis.errors import DomainError, Kind


class DedupeRefused(Exception):
    """The run cannot begin; the words say what to do."""


class RunCancelled(Exception):
    """Somebody cancelled the run while it was under way."""


class DedupeRunNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "dedupe-run-not-found"
    title = "There is no such search for duplicates"
    title_vi = "Không có lượt tìm trùng lặp này"


class DedupeRunUnderWay(DomainError):
    kind = Kind.CONFLICT
    code = "dedupe-run-under-way"
    title = "Another search for duplicates has not ended"
    title_vi = "Một lượt tìm trùng lặp khác chưa kết thúc"


class DedupeStepRefused(DomainError):
    kind = Kind.CONFLICT
    code = "dedupe-step-refused"
    title = "The state of the search does not allow this step"
    title_vi = "Trạng thái của lượt tìm trùng lặp không cho phép bước này"


class SecondOperatorNeeded(DomainError):
    kind = Kind.FORBIDDEN
    code = "second-operator-needed"
    title = "Another operator than the one who asked for it must approve"
    title_vi = "Phải do cán bộ vận hành khác với người yêu cầu phê duyệt"


class RoleMissing(DomainError):
    kind = Kind.FORBIDDEN
    code = "role-missing"
    title = "The operator does not have the role for this"
    title_vi = "Cán bộ vận hành không có vai trò cần thiết"
