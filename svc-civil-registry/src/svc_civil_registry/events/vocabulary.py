"""The words that describe any civil status record: kinds, statuses, flags, actions."""

from enum import StrEnum


class RecordKind(StrEnum):
    BIRTH = "BIRTH"
    DEATH = "DEATH"


class Status(StrEnum):
    """CREATED → (NOTIFIED →) DECLARED → REGISTERED → (CANCELLED); ARCHIVED ends what is not to be registered.

    A CANCELLED record keeps its number in the book, and says nothing of anybody any more.
    """

    CREATED = "CREATED"
    NOTIFIED = "NOTIFIED"
    DECLARED = "DECLARED"
    REGISTERED = "REGISTERED"
    ARCHIVED = "ARCHIVED"
    CANCELLED = "CANCELLED"


class Flag(StrEnum):
    """Conditions beside the status; each is derived from the actions."""

    LATE = "late"
    POTENTIAL_DUPLICATE = "potential-duplicate"
    AWAITING_PERSONAL_ID = "awaiting-personal-id"
    NUMBER_REFUSED = "number-refused"
    REJECTED = "rejected"
    CORRECTION_REQUESTED = "correction-requested"
    CANCELLATION_REQUESTED = "cancellation-requested"


class ActionType(StrEnum):
    """What can be done to a record."""

    CREATE = "CREATE"
    NOTIFY = "NOTIFY"
    DECLARE = "DECLARE"
    DETECT_DUPLICATE = "DETECT_DUPLICATE"
    MARK_AS_NOT_DUPLICATE = "MARK_AS_NOT_DUPLICATE"
    MARK_AS_DUPLICATE = "MARK_AS_DUPLICATE"
    REQUEST_NUMBER = "REQUEST_NUMBER"
    REFUSE_NUMBER = "REFUSE_NUMBER"
    REGISTER = "REGISTER"
    REJECT = "REJECT"
    ARCHIVE = "ARCHIVE"
    PRINT_CERTIFICATE = "PRINT_CERTIFICATE"
    REQUEST_CORRECTION = "REQUEST_CORRECTION"
    APPROVE_CORRECTION = "APPROVE_CORRECTION"
    REJECT_CORRECTION = "REJECT_CORRECTION"
    REQUEST_CANCELLATION = "REQUEST_CANCELLATION"
    APPROVE_CANCELLATION = "APPROVE_CANCELLATION"
    REJECT_CANCELLATION = "REJECT_CANCELLATION"
