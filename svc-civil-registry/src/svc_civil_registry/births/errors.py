"""What can go wrong with a birth."""

from collections.abc import Sequence
from uuid import UUID

from ndx_chassis.errors import DomainError, FieldError, Kind

from svc_civil_registry.duplicates.service import Hit


class BirthNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "birth-not-found"
    title = "No such birth"
    title_vi = "Không tìm thấy hồ sơ khai sinh"


class PotentialDuplicate(DomainError):
    """The declaration is kept, but waits for an officer's decision.

    `errors` name each rule that fired with the other record's id, or the population database's reasons.
    """

    kind = Kind.CONFLICT
    code = "potential-duplicate"
    title = "This birth may have been declared before"
    title_vi = "Khai sinh này có thể đã được khai báo trước đó"

    def __init__(self, birth_id: UUID, hits: Sequence[Hit], reasons: Sequence[str]) -> None:
        ours = [FieldError(field="duplicate_of", code=h.rule, detail=str(h.birth_id)) for h in hits]
        theirs = [FieldError(field="declaration", code=r, detail="suspected by population") for r in reasons]
        super().__init__(
            f"The declaration is kept as {birth_id}. Decide with mark-duplicate or mark-not-duplicate.",
            errors=ours or theirs,
        )


class PlaceUnknown(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "place-unknown"
    title = "No province or commune has this code"
    title_vi = "Không có tỉnh hoặc xã với mã này"


class NumberRefused(DomainError):
    """The population database gives this birth no number; the record is kept with the reasons."""

    kind = Kind.CONFLICT
    code = "number-refused"
    title = "The population database refused a personal number"
    title_vi = "Cơ sở dữ liệu dân cư từ chối cấp số định danh"

    def __init__(self, birth_id: UUID, reasons: Sequence[str]) -> None:
        super().__init__(
            f"The declaration is kept as {birth_id}. Resubmit it when the cause is gone.",
            errors=[FieldError(field="declaration", code=r, detail="refused by population") for r in reasons],
        )


class DuplicateTargetInvalid(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "duplicate-target-invalid"
    title = "The record named as the original cannot be one"
    title_vi = "Hồ sơ được nêu là bản gốc không hợp lệ"
