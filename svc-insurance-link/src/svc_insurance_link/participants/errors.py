"""What can go wrong with participants."""

from ndx_chassis.errors import DomainError, Kind


class ParticipantNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "participant-not-found"
    title = "Nobody takes part in health insurance under this number"
    title_vi = "Không có người tham gia bảo hiểm y tế với số này"


class CodeHeldByAnother(DomainError):
    kind = Kind.CONFLICT
    code = "insurance-code-held"
    title = "The card code or social-insurance number belongs to another participant"
    title_vi = "Mã thẻ hoặc mã số bảo hiểm xã hội thuộc về người khác"
