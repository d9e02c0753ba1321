"""Why a registration of residence is refused."""

from ndx_chassis.errors import DomainError, Kind


class ResidenceNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "residence-not-found"
    title = "This person has no such registration of residence"
    title_vi = "Không có đăng ký cư trú này của công dân"


class ResidenceOverlaps(DomainError):
    """Somebody else may have registered the person a moment ago: read again, then decide."""

    kind = Kind.CONFLICT
    code = "residence-overlaps"
    title = "The person has a residence of this kind from that day on, or from a later one"
    title_vi = "Công dân đã có đăng ký cư trú cùng loại từ ngày này hoặc ngày muộn hơn"


class TemporaryInOwnCommune(DomainError):
    kind = Kind.CONFLICT
    code = "temporary-residence-in-own-commune"
    title = "Temporary residence is registered outside the commune of the permanent residence"
    title_vi = "Đăng ký tạm trú phải ngoài địa bàn cấp xã nơi thường trú"


class ResidenceEnded(DomainError):
    kind = Kind.CONFLICT
    code = "residence-ended"
    title = "The registration has ended and cannot be changed"
    title_vi = "Đăng ký cư trú đã kết thúc, không thể thay đổi"


class ResidenceDatesInvalid(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "residence-dates-invalid"
    title = "The dates do not fit the kind of residence or the person"
    title_vi = "Thời gian cư trú không phù hợp"


class PlaceUnknown(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "place-unknown"
    title = "No province or commune has this code"
    title_vi = "Không có tỉnh hoặc xã với mã này"
