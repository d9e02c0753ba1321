"""Why an authority or a revocation list is not taken."""

from ndx_chassis.errors import DomainError, Kind


class AuthorityNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "authority-not-found"
    title = "There is no such certificate authority"
    title_vi = "Không tìm thấy tổ chức chứng thực"


class AuthorityExists(DomainError):
    kind = Kind.CONFLICT
    code = "authority-exists"
    title = "An authority with this name or subject exists"
    title_vi = "Tổ chức chứng thực đã tồn tại"


class AnchorRefused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "trust-anchor-refused"
    title = "The trust anchor is not acceptable"
    title_vi = "Chứng thư gốc không hợp lệ"


class RevocationListRefused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "revocation-list-refused"
    title = "The revocation list is not acceptable"
    title_vi = "Danh sách thu hồi không hợp lệ"


class AuthorityInUse(DomainError):
    kind = Kind.CONFLICT
    code = "authority-in-use"
    title = "Systems still depend on this authority"
    title_vi = "Vẫn còn hệ thống dùng tổ chức chứng thực này"


class RotationRefused(DomainError):
    kind = Kind.CONFLICT
    code = "rotation-refused"
    title = "The state of the authorities does not allow this step"
    title_vi = "Trạng thái hiện tại không cho phép bước này"


class CsrRefused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "csr-refused"
    title = "The certificate request is not acceptable"
    title_vi = "Yêu cầu cấp chứng thư không hợp lệ"
