"""What the OSIA facades refuse by themselves, and how any refusal is said in the standard's error body."""

from typing import Any

from ndx_chassis import errors as chassis
from ndx_chassis.errors import DomainError

from svc_population.osia.vocabulary import OsiaCode


class OsiaRefused(DomainError):
    """A request that the standard admits and this registry does not, or that is not clear; answered 400."""

    code = "osia-request-refused"
    title = "The registry refuses this OSIA request"
    title_vi = "Hệ thống từ chối yêu cầu OSIA này"

    def __init__(self, number: OsiaCode, message: str) -> None:
        super().__init__(message)
        self.number = number


class NothingFound(DomainError):
    """Nobody fits; answered 404."""

    kind = chassis.Kind.NOT_FOUND
    code = "osia-nothing-found"
    title = "Nobody fits"
    title_vi = "Không tìm thấy người phù hợp"


def body(number: OsiaCode, message: str) -> dict[str, Any]:
    """Return the error body: these two members and no other."""
    return {"code": int(number), "message": message}
