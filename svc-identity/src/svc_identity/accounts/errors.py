"""Why the office's request about an account is refused."""

from ndx_chassis.errors import DomainError, Kind


class AccountNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "account-not-found"
    title = "There is no such e-ID account"
    title_vi = "Không có tài khoản định danh điện tử này"


class AccountExists(DomainError):
    kind = Kind.CONFLICT
    code = "account-exists"
    title = "The person has an e-ID account of this level or a higher one"
    title_vi = "Công dân đã có tài khoản định danh điện tử ở mức này hoặc cao hơn"


class PersonUnknown(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "person-unknown"
    title = "The population database knows no living person with this number"
    title_vi = "Không tìm thấy công dân với số định danh này"


class PersonMismatch(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "person-mismatch"
    title = "The stated particulars differ from the population database"
    title_vi = "Thông tin khai không khớp cơ sở dữ liệu quốc gia về dân cư"


class PersonTooYoung(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "person-too-young"
    title = "The person has not reached the age for an account of their own"
    title_vi = "Công dân chưa đủ tuổi có tài khoản riêng"


class LevelNotOffered(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "level-not-offered"
    title = "The law gives no account of this level with this state of the card"
    title_vi = "Không cấp tài khoản mức này với tình trạng thẻ hiện tại"


class AccountIsLocked(DomainError):
    kind = Kind.CONFLICT
    code = "account-lock-in-force"
    title = "The cause of the account's lock must end first"
    title_vi = "Tài khoản đang bị khóa, phải chấm dứt lý do khóa trước"


class AccountNotLocked(DomainError):
    kind = Kind.CONFLICT
    code = "account-not-locked"
    title = "The account is not locked for this cause"
    title_vi = "Tài khoản không bị khóa vì lý do này"


class LockIsFinal(DomainError):
    kind = Kind.CONFLICT
    code = "lock-is-final"
    title = "A lock for this cause never ends"
    title_vi = "Không thể mở khóa với lý do này"
