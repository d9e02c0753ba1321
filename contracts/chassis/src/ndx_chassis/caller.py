"""Who calls: read from the headers that the gateway sets after it has checked the certificate."""

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from ndx_contracts import headers
from ndx_contracts.purposes import Purpose

from ndx_chassis.errors import CallerUnknown, DomainError, Kind

_OF_THE_GATEWAY = tuple(
    name.lower().encode()
    for name in (headers.AGENCY, headers.SYSTEM, headers.AGREEMENT, headers.AGENCY_CLASS)
)
_PURPOSE, _CASE_ID, _OFFICER, _REQUEST_ID = (
    name.lower().encode() for name in (headers.PURPOSE, headers.CASE_ID, headers.OFFICER, headers.REQUEST_ID)
)
_PURPOSES = frozenset(p.value for p in Purpose)


class HeaderInvalid(DomainError):
    code = "header-invalid"
    title = "A header of the call is not valid"
    title_vi = "Tiêu đề của yêu cầu không hợp lệ"


class HeaderRepeated(DomainError):
    code = "header-repeated"
    title = "A header that is sent once came more than once"
    title_vi = "Tiêu đề bị lặp lại"


class PurposeUnknown(DomainError):
    code = "purpose-unknown"
    title = "NDX-Purpose holds none of the exchange's purpose codes"
    title_vi = "Mục đích không có trong danh mục"


class AcrInsufficient(DomainError):
    kind = Kind.FORBIDDEN
    code = "acr-insufficient"
    title = "This needs a stronger log-in"
    title_vi = "Cần đăng nhập ở mức xác thực cao hơn"


@dataclass(frozen=True, slots=True)
class Caller:
    """An agency's system, calling one operation under an agreement for a purpose."""

    agency: str
    system: str
    agreement: str
    purpose: str
    case_id: str | None
    officer: str | None
    request_id: str
    operation: str
    agency_class: str = ""
    """Set by the gateway where a template agreement binds the agency's class."""
    signed: bool = False
    """The call carries a signature that holds."""

    @property
    def actor(self) -> str:
        return f"{self.agency}/{self.system}"


@dataclass(frozen=True, slots=True)
class Citizen:
    """A logged-in holder of an e-ID account (`account_id` is the token's subject)."""

    account_id: UUID
    acr: int
    request_id: str
    operation: str
    officer: None = None
    case_id: None = None

    @property
    def actor(self) -> str:
        return f"citizen/{self.account_id}"


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator of the bus with a certificate of their own."""

    agency: str
    login: str
    request_id: str
    operation: str
    officer: None = None
    case_id: None = None

    @property
    def actor(self) -> str:
        return f"operator/{self.agency}:{self.login}"


def operation_of(request: Request) -> str:
    """Return the catalogue name of the operation being served: `<service>.<operationId>`."""
    service = request.app.state.runtime.service
    route = request.scope.get("route")
    name = getattr(route, "operation_id", None) or getattr(route, "name", "unknown")
    return f"{service}.{name}"


def _short(request: Request, name: str, limit: int = 128) -> str | None:
    values = request.headers.getlist(name)
    if not values:
        return None
    if len(values) > 1:
        raise HeaderRepeated(f"Header {name} comes more than once.")
    (value,) = values
    if not 0 < len(value) <= limit or not value.isprintable():
        raise HeaderInvalid(f"Header {name} must hold 1 to {limit} printable characters.")
    return value


def _purpose(request: Request) -> str:
    values = request.headers.getlist(headers.PURPOSE)
    if len(values) > 1:
        raise HeaderRepeated(f"Header {headers.PURPOSE} comes more than once.")
    purpose = values[0] if values else ""
    if purpose and purpose not in _PURPOSES:
        raise PurposeUnknown
    return purpose


def caller_of(request: Request, operation: str | None = None) -> Caller:
    """Return the calling agency.

    Raises:
        CallerUnknown: the request did not come through the gateway.
        HeaderRepeated, PurposeUnknown, HeaderInvalid: what the caller says about the call is not clear.
    """
    # Read once: asked one by one, each name is looked for among all of them.
    sent = dict(reversed(request.scope["headers"]))
    agency, system, agreement, agency_class = (
        sent[name].decode("latin-1") if name in sent else "" for name in _OF_THE_GATEWAY
    )
    if not agency or not system:
        raise CallerUnknown
    return Caller(
        agency=agency,
        # The gateway sends the certificate's URN; its last part is the system.
        system=system.rsplit(":", 1)[-1],
        agreement=agreement,
        purpose=_purpose(request) if _PURPOSE in sent else "",
        case_id=_short(request, headers.CASE_ID) if _CASE_ID in sent else None,
        officer=_short(request, headers.OFFICER) if _OFFICER in sent else None,
        request_id=sent.get(_REQUEST_ID, b"-").decode("latin-1")[:64],
        operation=operation or operation_of(request),
        agency_class=agency_class,
        signed=request.scope.get("ndx_signed", False),
    )


# The dependencies are coroutines although they await nothing: FastAPI sends plain functions to a thread,
# which costs more than they do.
async def _caller(request: Request) -> Caller:
    return caller_of(request)


async def _citizen(request: Request) -> Citizen:
    subject, acr = request.headers.get(headers.CITIZEN), request.headers.get(headers.ACR, "0")
    try:
        account, level = UUID(subject or ""), int(acr)
    except ValueError:
        raise CallerUnknown from None
    needed = (getattr(request.scope.get("route"), "openapi_extra", None) or {}).get("x-ndx-operation", {})
    if level < needed.get("acr", 1):
        raise AcrInsufficient
    return Citizen(
        account_id=account,
        acr=level,
        request_id=request.headers.get(headers.REQUEST_ID, "-")[:64],
        operation=operation_of(request),
    )


async def _operator(request: Request) -> Operator:
    value = request.headers.get(headers.OPERATOR, "").removeprefix("urn:ndx:operator:")
    agency, _, login = value.partition(":")
    if not agency or not login:
        raise CallerUnknown
    return Operator(
        agency=agency,
        login=login,
        request_id=request.headers.get(headers.REQUEST_ID, "-")[:64],
        operation=operation_of(request),
    )


async def _known_caller(request: Request) -> None:
    if not request.headers.get(headers.AGENCY) and not request.headers.get(headers.OPERATOR):
        raise CallerUnknown


KNOWN_CALLER = Depends(_known_caller)
"""Lets in whom the gateway named, be it an agency's system or an operator: the door `agency_metadata`."""
CallerDep = Annotated[Caller, Depends(_caller)]
CitizenDep = Annotated[Citizen, Depends(_citizen)]
OperatorDep = Annotated[Operator, Depends(_operator)]
