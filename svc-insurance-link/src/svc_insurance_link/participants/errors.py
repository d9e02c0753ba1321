"""What can go wrong with participants."""

from ndx_chassis.errors import DomainError, Kind


class ParticipantNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "participant-not-found"
    title = "Nobody takes part in health insurance under this number"
    title_vi = "Không có người tham gia bảo hiểm y tế với số này"


class PopulationAnswerUnusable(DomainError):
    """The answer of the population database lacks what this service needs; a later one may not."""

    kind = Kind.UNAVAILABLE
    code = "population-answer-unusable"
    title = "The population database answered in a form that cannot be used"
    title_vi = "Phản hồi của cơ sở dữ liệu dân cư không sử dụng được"


class CodeHeldByAnother(DomainError):
    kind = Kind.CONFLICT
    code = "insurance-code-held"
    title = "The card code or social-insurance number belongs to another participant"
    title_vi = "Mã thẻ hoặc mã số bảo hiểm xã hội thuộc về người khác"
