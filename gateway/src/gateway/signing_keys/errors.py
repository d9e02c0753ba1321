"""Why a signing key is refused."""

from ndx_chassis.errors import DomainError, Kind


class SigningKeyNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "signing-key-not-found"
    title = "There is no such signing key"
    title_vi = "Không tìm thấy khóa ký"


class SigningKeyTaken(DomainError):
    kind = Kind.CONFLICT
    code = "signing-key-taken"
    title = "This key is revoked or another system's"
    title_vi = "Khóa này đã bị thu hồi hoặc thuộc hệ thống khác"


class SigningKeyUnproven(DomainError):
    code = "signing-key-unproven"
    title = "The proof does not show that the caller holds the key"
    title_vi = "Chưa chứng minh được việc sở hữu khóa"


class SigningKeysTooMany(DomainError):
    kind = Kind.CONFLICT
    code = "signing-keys-too-many"
    title = "The system has as many signing keys in force as it may have"
    title_vi = "Hệ thống đã có đủ số khóa ký còn hiệu lực được phép"


class SigningKeysTooOften(DomainError):
    kind = Kind.TOO_MANY
    code = "signing-keys-too-often"
    title = "The system has published as many signing keys within a day as it may"
    title_vi = "Hệ thống đã công bố đủ số khóa ký được phép trong một ngày"
