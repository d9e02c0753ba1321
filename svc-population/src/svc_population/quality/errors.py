"""Why an indicator or the people behind it are not given."""

from ndx_chassis.errors import DomainError, Kind


class QualityNotCounted(DomainError):
    kind = Kind.UNAVAILABLE
    code = "quality-not-counted"
    title = "The indicators are being counted for the first time"
    title_vi = "Các chỉ số chất lượng đang được tính lần đầu"


class QualityRuleUnknown(DomainError):
    kind = Kind.NOT_FOUND
    code = "quality-rule-unknown"
    title = "There is no such rule of quality in force"
    title_vi = "Không có quy tắc chất lượng này đang có hiệu lực"
