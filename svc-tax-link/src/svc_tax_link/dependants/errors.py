"""What can go wrong with dependants."""

from ndx_chassis.errors import DomainError, Kind


class DependantNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "dependant-not-found"
    title = "There is no dependant with this number whom the taxpayer could claim"
    title_vi = "Không có người phụ thuộc với số này để người nộp thuế đăng ký"


class DependantMonthTaken(DomainError):
    kind = Kind.CONFLICT
    code = "dependant-month-taken"
    title = "The dependant is counted with another taxpayer in one of these months"
    title_vi = "Người phụ thuộc đã được tính cho người nộp thuế khác trong các tháng này"


class ClaimOutsideRule(DomainError):
    kind = Kind.CONFLICT
    code = "dependant-claim-outside-rule"
    title = "The dependant cannot be counted from that month on"
    title_vi = "Không thể tính giảm trừ cho người phụ thuộc từ tháng này"


class PayerCannotClaim(DomainError):
    kind = Kind.CONFLICT
    code = "payer-cannot-claim"
    title = "The taxpayer cannot claim in this state"
    title_vi = "Trạng thái của người nộp thuế không cho phép đăng ký người phụ thuộc"
