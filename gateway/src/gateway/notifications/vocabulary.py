"""Words of the notification facade: numbers of its error body, and what of the file is not served."""

from enum import IntEnum, StrEnum


class NotificationCode(IntEnum):
    """Numbers of the error body, explained in `docs/agencies/osia.md`."""

    INVALID = 1000
    NOT_LAWFUL = 1020
    TOPIC_UNKNOWN = 1030
    PROTOCOL_NOT_OFFERED = 1031
    POLICY_REFUSED = 1032
    ADDRESS_REFUSED = 1033
    TOKEN_INVALID = 1034
    PURPOSE_NEEDED = 1035
    STEP_REFUSED = 1036
    INTERNAL = 1500


class Protocol(StrEnum):
    """How messages go out; `http` is HTTPS with both certificates."""

    HTTP = "http"
    EMAIL = "email"


_TOPICS = "Topics are the event types of the exchange; they come with the services that publish them."
NOT_SERVED: dict[str, str] = {
    "createTopic": _TOPICS,
    "deleteTopic": _TOPICS,
    "publish": "An event comes from the service that owns the fact, in the transaction that makes it true.",
}
"""Operation of the file → why it is answered with 1020."""
