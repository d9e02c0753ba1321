"""What is refused about feeds."""

from ndx_chassis.errors import DomainError, Kind


class FeedSubscriptionNotFound(DomainError):
    kind = Kind.NOT_FOUND
    code = "feed-subscription-not-found"
    title = "The agency has no such subscription"
    title_vi = "Cơ quan không có đăng ký nhận thông báo này"


class FeedEventTypeUnknown(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "feed-event-type-unknown"
    title = "There is no such event type to follow"
    title_vi = "Không có loại sự kiện này để theo dõi"


class FeedNotCovered(DomainError):
    kind = Kind.FORBIDDEN
    code = "feed-not-covered"
    title = "The agreement does not let the agency follow this"
    title_vi = "Thỏa thuận không cho phép theo dõi nội dung này"


class FeedStepRefused(DomainError):
    kind = Kind.CONFLICT
    code = "feed-step-refused"
    title = "The subscription's state does not allow this"
    title_vi = "Trạng thái đăng ký không cho phép bước này"


class FeedDeliveryMismatch(DomainError):
    kind = Kind.CONFLICT
    code = "feed-delivery-mismatch"
    title = "The subscription delivers the other way"
    title_vi = "Đăng ký này dùng cách nhận khác"


class FeedEndpointRefused(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "feed-endpoint-refused"
    title = "The endpoint cannot be a webhook"
    title_vi = "Địa chỉ này không thể nhận thông báo"


class FeedTokenInvalid(DomainError):
    code = "feed-token-invalid"
    title = "The token confirms no subscription of the agency"
    title_vi = "Mã xác nhận không thuộc đăng ký nào của cơ quan"


class FeedCursorInvalid(DomainError):
    code = "feed-cursor-invalid"
    title = "The cursor is not one that this feed gave"
    title_vi = "Con trỏ không do luồng thông báo này cấp"


class FeedLimitReached(DomainError):
    kind = Kind.CONFLICT
    code = "feed-limit-reached"
    title = "No more subscriptions or people of interest are possible"
    title_vi = "Đã đạt giới hạn số đăng ký hoặc số người theo dõi"


class FeedUnavailable(DomainError):
    kind = Kind.UNAVAILABLE
    code = "feed-unavailable"
    title = "Feeds have no key and hand nothing over"
    title_vi = "Dịch vụ thông báo chưa có khóa nên tạm ngừng"


class AgencyIsSuspended(DomainError):
    kind = Kind.FORBIDDEN
    code = "agency-suspended"
    title = "Agency suspended"
    title_vi = "Cơ quan đang bị tạm dừng"
