"""What can go wrong with a death."""

from ndx_chassis.errors import DomainError, Kind


class DeathNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "death-not-found"
    title = "No such death"
    title_vi = "Không tìm thấy hồ sơ khai tử"


class DeathAlreadyRegistered(DomainError):
    kind = Kind.CONFLICT
    code = "death-already-registered"
    title = "The death of this person is registered already"
    title_vi = "Việc chết của người này đã được đăng ký"


class PersonIsChanging(DomainError):
    kind = Kind.UNAVAILABLE
    code = "person-is-changing"
    title = "The person's number is being replaced at this moment"
    title_vi = "Số định danh của người này đang được thay đổi"

    def __init__(self) -> None:
        super().__init__(retry_after=1)


class CancellationUnlawful(DomainError):
    """The cause is none of those in force, or the document is none that the cause rests on."""

    kind = Kind.UNPROCESSABLE
    code = "cancellation-unlawful"
    title = "The law knows no such cause of cancelling an entry, or not with this document"
    title_vi = "Không có căn cứ hủy bỏ đăng ký hộ tịch này, hoặc giấy tờ chứng minh không phù hợp"


class CancellationRequestChanged(DomainError):
    """Since the officer read the record, what they decide on was rejected, and asked for anew."""

    kind = Kind.CONFLICT
    code = "cancellation-request-changed"
    title = "Another request of cancelling the entry stands than the one decided on"
    title_vi = "Yêu cầu hủy bỏ đang chờ không phải là yêu cầu được quyết định"


class NoOtherEntry(DomainError):
    kind = Kind.CONFLICT
    code = "no-other-entry"
    title = "No other entry of this person's death stands"
    title_vi = "Không còn đăng ký khai tử nào khác của người này"
