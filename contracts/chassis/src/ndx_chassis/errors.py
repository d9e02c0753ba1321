"""Domain errors: a kind that HTTP and Kafka doors both understand, and a stable code."""

from collections.abc import Sequence
from enum import Enum
from typing import ClassVar

from ndx_contracts.problems import FieldProblem

FieldError = FieldProblem


class Kind(Enum):
    """Why something failed; only `ndx_chassis.problems` knows the HTTP status of a kind."""

    INVALID = "invalid"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not-found"
    CONFLICT = "conflict"
    GONE = "gone"
    PRECONDITION_FAILED = "precondition-failed"
    PRECONDITION_REQUIRED = "precondition-required"
    TOO_LARGE = "too-large"
    UNPROCESSABLE = "unprocessable"
    TOO_MANY = "too-many"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"


class Refused(Exception):
    """An answer other than success that was meant; a crash tells nobody anything."""


class DomainError(Refused):
    """Base of all errors that a service raises on purpose. Its words never hold personal data."""

    kind: ClassVar[Kind] = Kind.INVALID
    code: ClassVar[str] = "invalid-request"
    title: ClassVar[str] = "The request is not valid"
    title_vi: ClassVar[str] = "Yêu cầu không hợp lệ"

    def __init__(
        self,
        detail: str = "",
        *,
        errors: Sequence[FieldError] = (),
        retry_after: int | None = None,
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = tuple(errors)
        self.retry_after = retry_after


class CallerUnknown(DomainError):
    """The request did not come through the gateway, which alone names the caller."""

    kind = Kind.UNAUTHENTICATED
    code = "caller-unknown"
    title = "The caller is not known"
    title_vi = "Không xác định được bên gọi"


class MalformedJson(DomainError):
    code = "malformed-json"
    title = "The body is not valid JSON"
    title_vi = "Nội dung không phải JSON hợp lệ"


class InvalidInput(DomainError):
    kind = Kind.UNPROCESSABLE
    code = "invalid-input"
    title = "Some members of the input are not valid"
    title_vi = "Một số trường dữ liệu không hợp lệ"


class PayloadTooLarge(DomainError):
    kind = Kind.TOO_LARGE
    code = "payload-too-large"
    title = "The body is too large"
    title_vi = "Nội dung quá lớn"


class DatabaseUnavailable(DomainError):
    kind = Kind.UNAVAILABLE
    code = "service-unavailable"
    title = "The service cannot reach its database for the moment"
    title_vi = "Dịch vụ tạm thời không truy cập được cơ sở dữ liệu"
