"""What can go wrong with taxpayers."""

from ndx_chassis.errors import DomainError, Kind


class TaxpayerNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "taxpayer-not-found"
    title = "No taxpayer is registered under this number"
    title_vi = "Không có người nộp thuế với số này"


class TaxpayerMismatch(DomainError):
    kind = Kind.CONFLICT
    code = "taxpayer-mismatch"
    title = "What was sent does not fit the person who is registered under this number"
    title_vi = "Thông tin gửi lên không khớp với người đã đăng ký với số này"


class TaxCodeHeldByAnother(DomainError):
    kind = Kind.CONFLICT
    code = "tax-code-held"
    title = "The legacy tax code leads to another person"
    title_vi = "Mã số thuế cũ thuộc về người khác"


class TooManyTaxCodes(DomainError):
    kind = Kind.CONFLICT
    code = "tax-code-limit-reached"
    title = "As many legacy tax codes lead to this person as may"
    title_vi = "Người nộp thuế này đã có đủ số mã số thuế cũ được phép"
