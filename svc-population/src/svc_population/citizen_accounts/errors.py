"""What can be wrong with a citizen's account."""

from ndx_chassis.errors import DomainError, Kind


class AccountUnknown(DomainError):
    """The token is valid, but the account's announcement has not arrived: worth trying again."""

    kind = Kind.NOT_FOUND
    code = "account-unknown"
    title = "This account is not known here yet"
    title_vi = "Tài khoản chưa được đồng bộ"


class AccountIsLocked(DomainError):
    kind = Kind.FORBIDDEN
    code = "account-locked"
    title = "The account is locked"
    title_vi = "Tài khoản đang bị khóa"
