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
