"""Use cases of taxpayers: register under the personal ID, read, close at death."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.agreements import Grant, OutsideAdminScope
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose, found
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.outbox import publish
from ndx_chassis.told import Told
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import same_name
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_tax_link.taxpayers import reopening, repository
from svc_tax_link.taxpayers.errors import (
    TaxCodeHeldByAnother,
    TaxpayerMismatch,
    TaxpayerNotFound,
    TooManyTaxCodes,
)
from svc_tax_link.taxpayers.events import taxpayer_registered, taxpayer_reopened
from svc_tax_link.taxpayers.models import Taxpayer, TaxpayerState
from svc_tax_link.taxpayers.schemas import TaxpayerIn, TaxpayerOut
from svc_tax_link.taxpayers.source import TaxedPerson, fetch_people, find_person

ENTITY = "taxpayer"
GROUPS = (FieldGroup.TAX_REGISTRATION,)
MOST_CODES = 50
"""Legacy codes, branches included, that one person may have: more are no person's."""
_ID_NOT_FOUND = "personal_id"


@dataclass(frozen=True, slots=True)
class KnownTaxpayer:
    """A taxpayer as other slices see one."""

    id: UUID
    personal_id: str


async def hold(session: AsyncSession, *personal_ids: str) -> None:
    """Let nobody else change anything about these people until the transaction ends."""
    await repository.lock(session, personal_ids)


async def hold_today(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, str]:
    """Hold numbers together with those to which they lead, and return the latter for each.

    Both are held at once, in the common order. A number that was replaced meanwhile, which is rare, is held
    after them.
    """
    held: set[str] = set()
    now = await today(session, personal_ids)
    while not held >= {*now, *now.values()}:
        held |= {*now, *now.values()}
        await hold(session, *sorted(held))
        # Read again: a number that was replaced before it was held would be kept for good.
        now = await today(session, personal_ids)
    return now


async def fetch(gateway: GatewayClient, personal_ids: Sequence[str]) -> dict[str, TaxedPerson]:
    """Fetch people from the population database."""
    return await fetch_people(gateway, personal_ids)


async def deaths_of(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, date]:
    """Return the days of the deaths heard of among these people, under whichever of their numbers."""
    now = await today(session, personal_ids)
    former = await leading_to(session, sorted(set(now.values())))
    numbers = former | {number: number for number in now.values()}
    deaths: dict[str, date] = {}
    for number, died_on in (await repository.deaths_of(session, sorted(numbers))).items():
        person = numbers[number]
        deaths[person] = min(died_on, deaths.get(person, died_on))
    return {asked: deaths[person] for asked, person in now.items() if person in deaths}


async def living_payers(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, UUID]:
    """Return which of these people are taxpayers who can claim; they can't be closed meanwhile."""
    return await repository.living(session, personal_ids) if personal_ids else {}


async def living_payer(session: AsyncSession, taxpayer_id: UUID) -> str | None:
    """Return the number of a taxpayer who can claim, held as they are; None: they cannot."""
    taxpayer = await repository.by_id(session, taxpayer_id)
    living = await repository.living(session, [taxpayer.personal_id])
    return taxpayer.personal_id if living else None


async def today(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, str]:
    """Return for each number the one to which it leads, or itself."""
    return await former_numbers.today(session, personal_ids)


async def leading_to(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, str]:
    """Return every number that leads to one of these, with the one to which it leads."""
    return await former_numbers.leading_to(session, personal_ids)


async def settle(session: AsyncSession, taxpayer: Taxpayer) -> None:
    """Let a taxpayer's state follow the codes that lead to them now."""
    codes = await repository.codes_of(session, taxpayer.id)
    matched = taxpayer.fetched_at is not None
    taxpayer.state = _state(died_on=taxpayer.died_on, matched=matched, codes=codes).value
    await session.flush()


@dataclass(frozen=True, slots=True)
class Noted:
    """What a word about a death changed: of which taxpayer, and the claims that a death before had cut."""

    taxpayer_id: UUID | None
    cut: Sequence[Mapping[str, Any]] = ()


async def close_for_death(
    session: AsyncSession, *, personal_id: str, died_on: date, told: Told | None
) -> Noted | None:
    """Remember a death and close the taxpayer, if there is one; None where a later word says otherwise.

    Needs `hold`. `told` None: it was noted before, and comes back with its number.
    """
    cut: Sequence[Mapping[str, Any]] = ()
    if told is not None:
        if await repository.version_told(session, told.record) >= told.version:
            return None
        cut = await repository.keep_death(session, personal_id, died_on, told=told)
        if personal_id not in await repository.deaths_of(session, await _numbers(session, personal_id)):
            await note_cut(session, personal_id, cut)
            return None
    return Noted(await repository.mark_death(session, personal_id, died_on), cut)


async def cut_of(session: AsyncSession, personal_id: str) -> Sequence[Mapping[str, Any]]:
    """Return which claims the death of a number had cut."""
    return await repository.cut_of(session, personal_id)


async def note_cut(session: AsyncSession, personal_id: str, cut: Sequence[Mapping[str, Any]]) -> None:
    """Note with a death which claims it cut, for when it is taken back."""
    if cut:
        await repository.note_cut(session, personal_id, cut)


async def reopen(session: AsyncSession, *, personal_id: str, told: Told | None) -> Noted | None:
    """Take a death back, and open the taxpayer again as the rule says; None where that changes nothing.

    `told` None: the number never had one. A death of another number of the person goes on to count, unless
    the word is a later one of the record that stands, and so about all of them. Where the rule leaves it to
    the office, the taxpayer waits in PENDING_ID_UPDATE until registered again.
    """
    cut: Sequence[Mapping[str, Any]] = ()
    if told is not None:
        if await repository.version_told(session, told.record) >= told.version:
            return None
        cut = await repository.keep_death(session, personal_id, None, told=told)
    numbers = await _numbers(session, personal_id)
    if await repository.deaths_of(session, numbers):
        return None
    taxpayer = await repository.by_personal_id(session, numbers[0])
    if taxpayer is None or taxpayer.died_on is None:
        return Noted(None, cut)
    # Both in one statement: the database holds that only the dead are closed; `settle` says the rest.
    taxpayer.died_on, taxpayer.state = None, TaxpayerState.PENDING_ID_UPDATE.value
    if reopening.by_office(datetime.now(UTC).date()):
        taxpayer.fetched_at = None
    await settle(session, taxpayer)
    await publish(session, taxpayer_reopened(taxpayer))
    return Noted(taxpayer.id, cut)


async def _numbers(session: AsyncSession, personal_id: str) -> list[str]:
    """Return all numbers of a person, that of today first."""
    number = await former_numbers.current(session, personal_id)
    return [number, *await former_numbers.leading_to(session, [number])]


async def register_taxpayer(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    request: TaxpayerIn,
    gateway: GatewayClient,
) -> TaxpayerOut:
    """Register a person under the personal ID, or add a legacy code to one who is registered.

    Raises:
        ProviderUnavailable: the population database is away; the same call may be made again.
        TaxpayerMismatch: the person is matched already and what was sent does not fit: nothing is changed.
        TaxCodeHeldByAnother: the legacy code leads to somebody else.
        TooManyTaxCodes: as many lead to this person as may.
    """
    authorise(grant)
    asked_at = datetime.now(UTC)
    # Asked before anybody is held: others need not wait for the population database.
    person = await find_person(gateway, request.personal_id)
    mismatches = _mismatches(request, person)
    number = (await hold_today(session, [request.personal_id]))[request.personal_id]
    # Each refusal from here on is an answer about the payer.
    found(session, caller, grant=grant, subjects=[request.personal_id], field_groups=GROUPS)
    taxpayer = await repository.by_personal_id(session, number)
    if mismatches and taxpayer is not None and taxpayer.fetched_at is not None:
        raise TaxpayerMismatch("Does not fit: " + ", ".join(mismatches) + ".")
    if taxpayer is None:
        taxpayer = Taxpayer(personal_id=number, state=TaxpayerState.PENDING_ID_UPDATE.value)
        await repository.add(session, taxpayer)
        await publish(session, taxpayer_registered(taxpayer))
    if request.legacy_tax_code is not None:
        held = await repository.codes_of(session, taxpayer.id)
        if request.legacy_tax_code not in held and len(held) >= MOST_CODES:
            raise TooManyTaxCodes
        holder = await repository.add_code(session, request.legacy_tax_code, taxpayer.id)
        if holder != taxpayer.id:
            raise TaxCodeHeldByAnother
    codes = await repository.codes_of(session, taxpayer.id)
    died_on = (await deaths_of(session, [number])).get(number)
    # Who asked later may have been quicker: an older answer does not replace theirs.
    newest = taxpayer.fetched_at is None or taxpayer.fetched_at < asked_at
    if person is not None and not mismatches and newest:
        taxpayer.name, taxpayer.birth_date = person.birth_name.full, person.birth_date
        taxpayer.fetched_at = asked_at
    taxpayer.died_on = died_on
    taxpayer.state = _state(died_on=died_on, matched=taxpayer.fetched_at is not None, codes=codes).value
    await session.flush()
    await record_audit(
        session,
        caller,
        action="taxpayer_registered",
        entity_type=ENTITY,
        entity_id=taxpayer.id,
        details={"state": taxpayer.state, "mismatches": list(mismatches)},
    )
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[request.personal_id],
        field_groups=GROUPS,
        outcome=Outcome.NOT_MATCHED if mismatches else Outcome.DISCLOSED,
    )
    return _shown(taxpayer, codes, mismatches)


def _mismatches(request: TaxpayerIn, person: TaxedPerson | None) -> tuple[str, ...]:
    if person is None:
        return (_ID_NOT_FOUND,)
    wrong = []
    if request.name is not None and not same_name(request.name, person.birth_name.full):
        wrong.append("name")
    if request.birth_date is not None and request.birth_date != person.birth_date:
        wrong.append("birth_date")
    return tuple(wrong)


def _state(*, died_on: date | None, matched: bool, codes: Sequence[str]) -> TaxpayerState:
    if died_on is not None:
        return TaxpayerState.DECEASED_CLOSE
    if not matched:
        return TaxpayerState.PENDING_ID_UPDATE
    # Branches of one code are no second code of the person.
    several = len({code[:10] for code in codes}) > 1
    return TaxpayerState.DUP_TAX_CODE if several else TaxpayerState.MATCHED


async def get_taxpayer(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    sessions: async_sessionmaker[AsyncSession],
) -> TaxpayerOut:
    """Disclose one taxpayer.

    Raises:
        TaxpayerNotFound: recorded as a disclosure too, for the asker learnt that.
    """
    taxpayer = await _authorised(session, caller, grant, personal_id=personal_id, sessions=sessions)
    codes = await repository.codes_of(session, taxpayer.id)
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[personal_id],
        field_groups=GROUPS,
        outcome=Outcome.DISCLOSED,
    )
    return _shown(taxpayer, codes)


async def require_taxpayer(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    sessions: async_sessionmaker[AsyncSession],
) -> KnownTaxpayer:
    """Return the taxpayer of whom a caller asks something.

    Raises:
        TaxpayerNotFound: recorded as a disclosure too.
    """
    known = await _authorised(session, caller, grant, personal_id=personal_id, sessions=sessions)
    return KnownTaxpayer(known.id, known.personal_id)


def authorise(grant: Grant) -> None:
    """Refuse an agreement that does not go as far as tax registration of the whole country.

    Raises:
        FieldGroupNotCovered, OutsideAdminScope.
    """
    grant.require_field_groups(GROUPS)
    # Residence is not kept here, so a bounded agreement can't be shown to cover anybody.
    if not grant.covers(None, None):
        raise OutsideAdminScope


async def _authorised(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    *,
    personal_id: str,
    sessions: async_sessionmaker[AsyncSession],
) -> Taxpayer:
    authorise(grant)
    known = await repository.by_personal_id(session, personal_id)
    if known is not None:
        return known
    # The refusal rolls the request's transaction back; what the asker learnt from it is kept in another, with
    # this connection given back first: many refused at once would wait for one another's.
    await session.rollback()
    async with sessions() as own, own.begin():
        await disclose(
            own,
            caller,
            grant=grant,
            subjects=[personal_id],
            field_groups=GROUPS,
            outcome=Outcome.NOT_FOUND,
        )
    raise TaxpayerNotFound


def _shown(taxpayer: Taxpayer, codes: Sequence[str], mismatches: tuple[str, ...] = ()) -> TaxpayerOut:
    return TaxpayerOut(
        taxpayer_id=taxpayer.id,
        personal_id=taxpayer.personal_id,
        state=taxpayer.state,
        legacy_tax_codes=tuple(codes),
        name=taxpayer.name,
        birth_date=taxpayer.birth_date,
        fetched_at=taxpayer.fetched_at,
        died_on=taxpayer.died_on,
        registered_at=taxpayer.registered_at,
        mismatches=mismatches,
    )
