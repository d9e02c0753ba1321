"""Why a log-in cannot go on."""

from ndx_chassis.errors import DomainError, Kind


class TransactionEnded(DomainError):
    """Unknown, expired, another browser's, used up, or with a wrong form token: start again."""

    kind = Kind.GONE
    code = "login-transaction-ended"
    title = "This log-in has ended; go back to the service and start again"
    title_vi = "Phiên đăng nhập đã kết thúc; hãy quay lại dịch vụ và bắt đầu lại"
