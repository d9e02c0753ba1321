"""What the notification facade refuses by itself."""

from ndx_chassis.errors import DomainError

from gateway.notifications.vocabulary import NotificationCode


class NotificationRefused(DomainError):
    """A request that the standard admits and the exchange does not; answered 400 with a number."""

    code = "notification-request-refused"
    title = "The exchange refuses this OSIA request"
    title_vi = "Trục chia sẻ từ chối yêu cầu OSIA này"

    def __init__(self, number: NotificationCode, message: str) -> None:
        super().__init__(message)
        self.number = number
