"""What can be wrong with a request for a number or a cancellation."""

from collections.abc import Iterable

from ndx_chassis.errors import DomainError, FieldError, Kind


class RequestIdReused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "request-id-reused"
    title = "The request_id was used before with another body"
    title_vi = "request_id đã được dùng với nội dung khác"


class PersonalIdKeyMissing(DomainError):
    """The secret key of the numbers is not there: numbers wait until the operator has put it in place."""

    kind = Kind.UNAVAILABLE
    code = "personal-id-key-missing"
    title = "Numbers cannot be given out for the moment"
    title_vi = "Tạm thời chưa thể cấp số định danh"


class PrefixExhausted(DomainError):
    kind = Kind.CONFLICT
    code = "personal-id-prefix-exhausted"
    title = "Every number of this place, sex and year is given out"
    title_vi = "Đã hết số định danh cho nơi đăng ký, giới tính và năm sinh này"


class PersonalIdAlreadyCancelled(DomainError):
    kind = Kind.CONFLICT
    code = "personal-id-already-cancelled"
    title = "This number was cancelled before"
    title_vi = "Số định danh này đã bị hủy trước đó"


class CancellationNotLawful(DomainError):
    """The law lists the causes; what is asked does not fit the stated one."""

    kind = Kind.UNPROCESSABLE
    code = "cancellation-not-lawful"
    title = "The stated cause does not justify another number"
    title_vi = "Lý do nêu ra không phải là căn cứ hủy, xác lập lại số định danh"

    def __init__(self, faults: Iterable[tuple[str, str]]) -> None:
        super().__init__(
            "A number changes when sex is re-determined, the birth year is corrected, or one of birthplace,"
            " birth year and sex was entered wrongly.",
            errors=[FieldError(field=f, code="cancellation-not-lawful", detail=d) for f, d in faults],
        )
