"""Use cases of participants: take over, find by any key, keep the copy live, note a death."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.consumer import Event
from ndx_chassis.gateway_client import GatewayClient
from ndx_chassis.ids import new_id
from ndx_chassis.told import Told
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.participants import repository
from svc_insurance_link.participants.card_code import parse_card_code
from svc_insurance_link.participants.errors import CodeHeldByAnother
from svc_insurance_link.participants.models import CodeKind, CodeState, Participant, ParticipantCode
from svc_insurance_link.participants.source import InsuredPerson, fetch_people, fetch_person

ENTITY = "participant"


@dataclass(frozen=True, slots=True)
class KnownParticipant:
    """A participant as other slices see one."""

    id: UUID
    personal_id: str
    name: str
    birth_date: date
    fetched_at: datetime
    died_on: date | None


@dataclass(frozen=True, slots=True)
class KnownCode:
    """The state of the alternate key by which a participant was found."""

    state: CodeState
    valid_to: date | None

    @property
    def withdrawn(self) -> bool:
        return self.state is CodeState.WITHDRAWN

    @property
    def replaced(self) -> bool:
        return self.state is CodeState.REPLACED


async def hold(session: AsyncSession, *personal_ids: str) -> None:
    """Let nobody else change anything about these people until the transaction ends."""
    await repository.lock(session, personal_ids)


async def numbers_of_today(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, str]:
    """Return for each number the one to which it leads, or itself."""
    return await former_numbers.today(session, personal_ids)


async def find(session: AsyncSession, personal_id: str) -> KnownParticipant | None:
    found = await repository.by_personal_id(session, personal_id)
    return None if found is None else _known(found)


async def find_by_code(session: AsyncSession, code: str) -> tuple[KnownParticipant, KnownCode] | None:
    """Find by social-insurance number or card code."""
    found = await repository.by_code(session, code)
    if found is None:
        return None
    participant, key = found
    return _known(participant), KnownCode(CodeState(key.state), key.valid_to)


async def known(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, KnownParticipant]:
    """Return those of these people who are participants, by personal ID."""
    found = await repository.known(session, personal_ids)
    return {number: _known(participant) for number, participant in found.items()}


async def take_over(
    session: AsyncSession, causes: Mapping[str, Event[Any]], *, gateway: GatewayClient
) -> dict[str, KnownParticipant]:
    """Make participants of people who are none, as the population database has them. Needs `hold`.

    `causes` says by personal ID which event is why.
    """
    if not causes:
        return {}
    numbers = list(causes)
    asked_at = datetime.now(UTC)
    people = await fetch_people(gateway, numbers)
    deaths = await _deaths_of(session, numbers)
    new = [
        Participant(
            id=new_id(),
            personal_id=number,
            name=person.birth_name.full,
            birth_date=person.birth_date,
            sex=person.sex.value,
            fetched_at=asked_at,
            died_on=deaths.get(number),
        )
        for number, person in people.items()
    ]
    await repository.add(session, new)
    for participant in new:
        cause = causes[participant.personal_id]
        with cause.trace():
            await record_audit(
                session,
                cause,
                action="participant_taken_over",
                entity_type=ENTITY,
                entity_id=participant.id,
            )
    return {participant.personal_id: _known(participant) for participant in new}


async def _deaths_of(session: AsyncSession, numbers: Sequence[str]) -> dict[str, date]:
    """Return the deaths of people by their numbers of today, heard of under whichever of their numbers."""
    people = await former_numbers.leading_to(session, numbers) | {number: number for number in numbers}
    deaths: dict[str, date] = {}
    for number, died_on in (await repository.deaths_of(session, sorted(people))).items():
        person = people[number]
        deaths[person] = min(died_on, deaths.get(person, died_on))
    return deaths


async def refresh_copy(
    session: AsyncSession, actor: Actor, *, gateway: GatewayClient, participant: KnownParticipant
) -> InsuredPerson | None:
    """Fetch identity again; None when a newer copy is held already. Needs `hold`."""
    asked_at = datetime.now(UTC)
    person = await fetch_person(gateway, participant.personal_id)
    newer = await repository.refresh(
        session,
        participant.id,
        name=person.birth_name.full,
        birth_date=person.birth_date,
        sex=person.sex.value,
        fetched_at=asked_at,
    )
    if not newer:
        return None
    await record_audit(
        session, actor, action="participant_copy_refreshed", entity_type=ENTITY, entity_id=participant.id
    )
    return person


async def note_death(
    session: AsyncSession, *, personal_id: str, died_on: date, told: Told | None
) -> UUID | None:
    """Remember a death; return the participant's id when there is one. Needs `hold`.

    `told` None: it was noted before, and comes back with its number. An older word changes nothing, nor does
    one from before a merger of which a later one is known.
    """
    if told is not None:
        if await repository.version_told(session, told.record) >= told.version:
            return None
        await repository.keep_death(session, personal_id, died_on, told=told)
        number = await former_numbers.current(session, personal_id)
        numbers = [number, *await former_numbers.leading_to(session, [number])]
        if personal_id not in await repository.deaths_of(session, numbers):
            return None
    return await repository.mark_death(session, personal_id, died_on)


async def forget_death(session: AsyncSession, *, personal_id: str, told: Told | None) -> UUID | None:
    """Take a death back; return the participant's id when that lets one live. Needs `hold`.

    `told` None: the number never had one. It is remembered also where nobody is known, so that the death
    which it takes back may be told later. A death of another number of the person goes on to count, unless
    the word is a later one of the record that stands, and so about all of them.
    """
    if told is not None:
        if await repository.version_told(session, told.record) >= told.version:
            return None
        await repository.keep_death(session, personal_id, None, told=told)
    number = await former_numbers.current(session, personal_id)
    standing = (await _deaths_of(session, [number])).get(number)
    participant = await repository.mark_death(session, number, standing)
    return participant if standing is None else None


async def keep_card_code(
    session: AsyncSession,
    participant: KnownParticipant,
    *,
    card_code: str,
    state: CodeState = CodeState.ACTIVE,
    valid_to: date | None = None,
) -> None:
    """Keep an old card code and the social-insurance number in it as keys of the participant.

    Raises:
        CardCodeFaulty: no office can have issued this code.
        CodeHeldByAnother: the code or the number is another participant's.
    """
    parsed = parse_card_code(card_code)
    codes = (
        ParticipantCode(
            code=str(parsed),
            kind=CodeKind.CARD_CODE.value,
            participant_id=participant.id,
            state=state.value,
            valid_to=valid_to,
        ),
        ParticipantCode(
            code=parsed.social_insurance_number,
            kind=CodeKind.SOCIAL_INSURANCE_NUMBER.value,
            participant_id=participant.id,
            state=CodeState.ACTIVE.value,
        ),
    )
    for code in codes:
        if await repository.add_code(session, code) != participant.id:
            raise CodeHeldByAnother


def _known(participant: Participant) -> KnownParticipant:
    return KnownParticipant(
        id=participant.id,
        personal_id=participant.personal_id,
        name=participant.name,
        birth_date=participant.birth_date,
        fetched_at=participant.fetched_at,
        died_on=participant.died_on,
    )
