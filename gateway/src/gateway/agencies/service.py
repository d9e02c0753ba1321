"""Use cases: register agencies and systems, suspend at once, and say what the compiler needs to know."""

import hashlib
import hmac
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.outbox import publish
from ndx_contracts.agreements import AgencyClass
from ndx_contracts.events import AgencyChanged
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import repository
from gateway.agencies.errors import (
    AgencyExists,
    AgencyIsClosed,
    AgencyNotFound,
    EnrolmentCodeInvalid,
    RoleMissing,
    SystemExists,
    TransitionRefused,
)
from gateway.agencies.models import Agency, BusOperator, System
from gateway.agencies.schemas import (
    AgencyIn,
    AgencyOut,
    AgencyPage,
    EnrolmentOut,
    OpenEnrolment,
    OpenEnrolmentList,
)
from gateway.agencies.vocabulary import TRANSITIONS, AgencyState, Role
from gateway.notices import announce

ENROLMENT_LIFE = timedelta(days=7)
MOST_TRIES = 10


@dataclass(frozen=True, slots=True)
class SystemEntry:
    code: str
    state: str


@dataclass(frozen=True, slots=True)
class AgencyEntry:
    """An agency as the compiler of Envoy's configuration sees it."""

    code: str
    state: str
    systems: list[SystemEntry]
    agency_class: str = "OTHER"


@dataclass(frozen=True, slots=True)
class OperatorEntry:
    agency: str
    login: str
    roles: list[str]
    state: str


def _out(agency: Agency) -> AgencyOut:
    return AgencyOut(
        code=agency.code,
        name=agency.name,
        name_en=agency.name_en,
        agency_class=agency.agency_class,
        state=agency.state,
        parent=agency.parent,
        province_code=agency.province_code,
        commune_code=agency.commune_code,
    )


async def require_role(session: AsyncSession, operator: Operator, role: Role) -> BusOperator:
    """Return the operator's row.

    Raises:
        RoleMissing: unknown, inactive, or without the role.
    """
    row = await require_operator(session, operator)
    if role.value not in row.roles:
        raise RoleMissing(f"This needs the role {role.value}.")
    return row


async def require_operator(session: AsyncSession, operator: Operator) -> BusOperator:
    """Return the operator's row, whatever their roles.

    Raises:
        RoleMissing: unknown or inactive.
    """
    row = await repository.find_operator(session, operator.agency, operator.login)
    if row is None or row.state != "ACTIVE":
        raise RoleMissing("The operator is not known or not active.")
    return row


async def register_agency(
    session: AsyncSession, operator: Operator, *, wanted: AgencyIn, notify: bool = True
) -> AgencyOut:
    """Register an agency; without `notify` the caller tells the compiler of Envoy's configuration.

    Raises:
        RoleMissing, AgencyExists, AgencyNotFound: its parent is not there.
    """
    await require_role(session, operator, Role.OPERATOR)
    if await repository.find_agency(session, wanted.code) is not None:
        raise AgencyExists
    if wanted.parent is not None and await repository.find_agency(session, wanted.parent) is None:
        raise AgencyNotFound("The parent agency is not registered.")
    agency = Agency(
        code=wanted.code,
        name=wanted.name,
        name_en=wanted.name_en,
        agency_class=wanted.agency_class.value,
        state=AgencyState.REGISTERED.value,
        parent=wanted.parent,
        province_code=wanted.province_code,
        commune_code=wanted.commune_code,
        created_at=datetime.now(UTC),
    )
    session.add(agency)
    await session.flush()
    await record_audit(
        session, operator, action="agency_registered", entity_type="agency", entity_id=agency.code
    )
    await _tell(session, agency, notify=notify)
    return _out(agency)


async def _tell(session: AsyncSession, agency: Agency, *, notify: bool = True) -> None:
    """Tell the data plane, and whoever shows people the agency's name."""
    await publish(
        session,
        AgencyChanged(
            code=agency.code,
            name=agency.name,
            name_en=agency.name_en,
            agency_class=AgencyClass(agency.agency_class),
            state=agency.state,
        ),
    )
    if notify:
        await announce(session, "agency", agency.code)


async def page_of_agencies(session: AsyncSession, *, cursor: str, limit: int) -> AgencyPage:
    rows = await repository.page_of_agencies(session, cursor, limit + 1)
    more = len(rows) > limit
    return AgencyPage(
        items=[_out(a) for a in rows[:limit]], next_cursor=rows[limit - 1].code if more else None
    )


async def agency_named(session: AsyncSession, code: str) -> Agency:
    agency = await repository.find_agency(session, code)
    if agency is None:
        raise AgencyNotFound
    return agency


async def agencies_named(session: AsyncSession, codes: Collection[str]) -> dict[str, Agency]:
    """Return those of the agencies that there are, by code."""
    return {agency.code: agency for agency in await repository.find_agencies(session, codes)}


async def open_agency(session: AsyncSession, code: str) -> Agency:
    """Return an agency to which something new may be given; it is not closed before the transaction ends.

    Raises:
        AgencyNotFound, AgencyIsClosed.
    """
    agency = await repository.find_agency_to_stay(session, code)
    if agency is None:
        raise AgencyNotFound
    if agency.state == AgencyState.CLOSED.value:
        raise AgencyIsClosed(f"{code} is closed.")
    return agency


async def hold_open_system(session: AsyncSession, agency: str, code: str) -> None:
    """Hold a system of an agency that is not closed, until the transaction ends; others wait for it.

    Raises:
        AgencyNotFound: there is no such system.
        AgencyIsClosed.
    """
    # Systems before the agency, as closing does.
    if await repository.find_system(session, agency, code) is None:
        raise AgencyNotFound("The system is not registered.")
    await open_agency(session, agency)


async def find(session: AsyncSession, code: str) -> AgencyOut | None:
    """Return an agency, or None."""
    agency = await repository.find_agency(session, code)
    return None if agency is None else _out(agency)


async def enrolled(session: AsyncSession, agency: str, system: str) -> bool | None:
    """Tell whether a system got a certificate for its code; None when there is no such system."""
    found = await repository.find_system(session, agency, system)
    return None if found is None else found.enrolment_serial is not None


async def systems_of(session: AsyncSession, agency: str) -> list[str]:
    """Return the codes of an agency's systems."""
    return list(await repository.systems_of(session, agency))


async def _move(
    session: AsyncSession, operator: Operator, *, code: str, to: AgencyState, reason: str
) -> AgencyOut:
    await require_role(session, operator, Role.OPERATOR)
    agency = await repository.find_agency(session, code, lock=True)
    if agency is None:
        raise AgencyNotFound
    if to not in TRANSITIONS[AgencyState(agency.state)]:
        raise TransitionRefused(f"The agency is {agency.state}.")
    agency.state = to.value
    await session.flush()
    await record_audit(
        session,
        operator,
        action=f"agency_{to.value.lower()}",
        entity_type="agency",
        entity_id=code,
        details={"reason": reason},
    )
    await _tell(session, agency)
    return _out(agency)


async def suspend_agency(session: AsyncSession, operator: Operator, *, code: str, reason: str) -> AgencyOut:
    return await _move(session, operator, code=code, to=AgencyState.SUSPENDED, reason=reason)


async def reactivate_agency(
    session: AsyncSession, operator: Operator, *, code: str, reason: str
) -> AgencyOut:
    return await _move(session, operator, code=code, to=AgencyState.ACTIVE, reason=reason)


async def close(session: AsyncSession, operator: Operator, *, code: str, reason: str) -> AgencyOut:
    """Close an agency with its systems and operators; what else it holds, its slices end."""
    # Systems before the agency, as enrolment does.
    await repository.lock_systems(session, code)
    closed = await _move(session, operator, code=code, to=AgencyState.CLOSED, reason=reason)
    await repository.close_members(session, code)
    # Operators are read again with certificates.
    await announce(session, "certificate", code)
    return closed


async def add_system(
    session: AsyncSession, operator: Operator, *, agency: str, code: str, renew: bool, notify: bool = True
) -> EnrolmentOut:
    """Register a system, or give an existing one a new enrolment code with `renew`."""
    await require_role(session, operator, Role.OPERATOR)
    system = await repository.find_system(session, agency, code)
    await open_agency(session, agency)
    if system is not None and not renew:
        raise SystemExists
    now = datetime.now(UTC)
    handle = secrets.token_hex(4)
    secret = f"{handle}.{secrets.token_urlsafe(24)}"
    if system is None:
        system = System(agency=agency, code=code, state="ACTIVE", created_at=now)
        session.add(system)
    system.enrolment_handle, system.enrolment_hash = handle, _digest(secret)
    system.enrolment_expires_at = now + ENROLMENT_LIFE
    system.enrolment_tries, system.enrolment_serial = 0, None
    await session.flush()
    await record_audit(
        session,
        operator,
        action="enrolment_code_issued",
        entity_type="system",
        entity_id=f"{agency}:{code}",
    )
    if notify:
        await announce(session, "agency", agency)
    return EnrolmentOut(
        agency=agency, system=code, enrolment_code=secret, expires_at=system.enrolment_expires_at
    )


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a code stands for; `serial` is the certificate for which it was used already."""

    agency: str
    system: str
    serial: str | None


async def count_try(session: AsyncSession, code: str) -> None:
    """Count a try of a code, in a transaction of its own: a refusal must not undo it.

    Raises:
        EnrolmentCodeInvalid: no code begins like this one, or its tries are used up.
    """
    if not await repository.count_try(session, code.partition(".")[0], most=MOST_TRIES):
        raise EnrolmentCodeInvalid


async def open_enrolment(session: AsyncSession, code: str) -> Enrolment:
    """Return what a code stands for, holding the system's row until the transaction ends.

    Raises:
        EnrolmentCodeInvalid: unknown or too old, or the agency is barred.
    """
    system = await repository.system_of_handle(session, code.partition(".")[0])
    if (
        system is None
        or system.state != "ACTIVE"
        or system.enrolment_expires_at is None
        or system.enrolment_expires_at < datetime.now(UTC)
        or not hmac.compare_digest(system.enrolment_hash or "", _digest(code))
    ):
        raise EnrolmentCodeInvalid
    agency = await repository.find_agency(session, system.agency, lock=True)
    if agency is None or agency.state in {AgencyState.SUSPENDED.value, AgencyState.CLOSED.value}:
        raise EnrolmentCodeInvalid
    return Enrolment(system.agency, system.code, system.enrolment_serial)


async def use_enrolment(session: AsyncSession, enrolment: Enrolment, *, serial: str) -> None:
    """Note for which certificate the code was used; the agency's first one makes it active."""
    system = await repository.find_system(session, enrolment.agency, enrolment.system)
    agency = await repository.find_agency(session, enrolment.agency, lock=True)
    if system is None or agency is None:
        raise EnrolmentCodeInvalid
    system.enrolment_serial = serial
    if agency.state == AgencyState.REGISTERED.value:
        agency.state = AgencyState.ACTIVE.value
        # The notice of its certificate names it.
        await _tell(session, agency, notify=False)
    await session.flush()


async def open_enrolments(session: AsyncSession) -> OpenEnrolmentList:
    """List the codes that were given out and not used yet."""
    rows = await repository.open_codes(session, datetime.now(UTC))
    return OpenEnrolmentList(
        items=[
            OpenEnrolment(
                agency=row.agency,
                system=row.code,
                expires_at=row.enrolment_expires_at or row.created_at,
                tries_left=MOST_TRIES - row.enrolment_tries,
            )
            for row in rows
        ]
    )


async def registry(session: AsyncSession, code: str | None = None) -> list[AgencyEntry]:
    """Return every agency, or one, with its systems."""
    systems: dict[str, list[SystemEntry]] = {}
    for agency, system, state in await repository.states_of_systems(session, code):
        systems.setdefault(agency, []).append(SystemEntry(system, state))
    return [
        AgencyEntry(agency, state, systems.get(agency, []), agency_class)
        for agency, state, agency_class in await repository.states_of_agencies(session, code)
    ]


async def operators(session: AsyncSession) -> list[OperatorEntry]:
    return [
        OperatorEntry(o.agency, o.login, list(o.roles), o.state)
        for o in await repository.all_operators(session)
    ]


async def ensure_agency(
    session: AsyncSession, *, code: str, name: str, name_en: str, agency_class: str
) -> None:
    """Register an agency of the platform at bootstrap unless it is there."""
    if await repository.find_agency(session, code) is None:
        agency = Agency(
            code=code,
            name=name,
            name_en=name_en,
            agency_class=agency_class,
            state=AgencyState.ACTIVE.value,
            created_at=datetime.now(UTC),
        )
        session.add(agency)
        await session.flush()
        await _tell(session, agency)


async def ensure_operator(session: AsyncSession, *, agency: str, login: str, roles: list[str]) -> None:
    """Register a first operator at bootstrap unless they are there."""
    if await repository.find_operator(session, agency, login) is None:
        session.add(BusOperator(agency=agency, login=login, roles=roles, state="ACTIVE"))
        await session.flush()
