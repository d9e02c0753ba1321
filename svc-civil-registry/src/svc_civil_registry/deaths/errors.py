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
