"""Why a certificate is not issued, renewed or revoked."""

from ndx_chassis.errors import DomainError, Kind


class CertificateNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "certificate-not-found"
    title = "There is no such certificate"
    title_vi = "Không tìm thấy chứng thư"


class CertificateRevokedAlready(DomainError):
    kind = Kind.CONFLICT
    code = "certificate-revoked-already"
    title = "The certificate is revoked already"
    title_vi = "Chứng thư đã bị thu hồi"


class CertificateNotRenewable(DomainError):
    kind = Kind.CONFLICT
    code = "certificate-not-renewable"
    title = "This certificate cannot be renewed here"
    title_vi = "Không thể gia hạn chứng thư này tại đây"


class CertificateLimitReached(DomainError):
    kind = Kind.CONFLICT
    code = "certificate-limit-reached"
    title = "The system holds as many good certificates as it may"
    title_vi = "Hệ thống đã có đủ số chứng thư còn hiệu lực được phép"
