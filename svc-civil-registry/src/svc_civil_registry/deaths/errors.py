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
