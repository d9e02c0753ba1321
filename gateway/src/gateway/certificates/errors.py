"""Why a certificate is not issued or revoked."""

from ndx_chassis.errors import DomainError, Kind


class CsrRefused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "csr-refused"
    title = "The certificate request is not acceptable"
    title_vi = "Yêu cầu cấp chứng thư không hợp lệ"


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
