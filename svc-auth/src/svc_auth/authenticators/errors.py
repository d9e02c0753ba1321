"""Why an activation is refused: one answer for everything that an attacker could learn from."""

from ndx_chassis.errors import DomainError, Kind


class ActivationRefused(DomainError):
    """Unknown number, wrong, used or outdated code, locked account: deliberately the same."""

    kind = Kind.FORBIDDEN
    code = "activation-refused"
    title = "The number and the activation code do not fit together, or the code is no longer valid"
    title_vi = "Số định danh và mã kích hoạt không khớp hoặc mã đã hết hiệu lực"


class TooManyAttempts(DomainError):
    kind = Kind.TOO_MANY
    code = "too-many-attempts"
    title = "Too many attempts; wait and try again"
    title_vi = "Thử quá nhiều lần; vui lòng chờ rồi thử lại"


class PasscodeTooSimple(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "passcode-too-simple"
    title = "The passcode is too easy to guess"
    title_vi = "Mã bí mật quá dễ đoán"
