"""All SQL about participants."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from ndx_chassis import former_numbers
from ndx_chassis.told import Told, outweighed
from sqlalchemy import Text, bindparam, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.participants.models import Death, Participant, ParticipantCode

# Built once: building a statement costs more than running it.
_LOCK = text(
    "SELECT pg_advisory_xact_lock(key) FROM"
    " (SELECT DISTINCT hashtextextended(number, 0) AS key FROM unnest(:numbers) AS number"
    "  ORDER BY key) AS keys"
).bindparams(bindparam("numbers", type_=ARRAY(Text)))
_numbers = bindparam("numbers", type_=ARRAY(Text))
_TODAY = func.coalesce(former_numbers.number_of_today(), bindparam("number"))
_BY_PERSONAL_ID = select(Participant).where(Participant.personal_id == _TODAY)
_KNOWN = select(Participant).where(Participant.personal_id == func.any(_numbers))
_WORDS = select(Death.personal_id, Death.died_on, Death.record, Death.version).where(
    Death.personal_id == func.any(_numbers)
)


async def lock(session: AsyncSession, personal_ids: Sequence[str]) -> None:
    """Serialise everything about people until the transaction ends, whether or not rows exist.

    Locks are taken in one order, so that nobody waits in a circle.
    """
    await session.execute(_LOCK, {"numbers": list(personal_ids)})


async def by_personal_id(session: AsyncSession, personal_id: str) -> Participant | None:
    found = await session.execute(_BY_PERSONAL_ID, {"number": personal_id})
    return found.scalar_one_or_none()


async def by_code(session: AsyncSession, code: str) -> tuple[Participant, ParticipantCode] | None:
    found = await session.execute(
        select(Participant, ParticipantCode)
        .join(ParticipantCode, ParticipantCode.participant_id == Participant.id)
        .where(ParticipantCode.code == code)
    )
    row = found.one_or_none()
    return None if row is None else (row[0], row[1])


async def known(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, Participant]:
    """Return those of these people who are participants, by the asked number, of today or former."""
    today = await former_numbers.today(session, personal_ids)
    found = {p.personal_id: p for p in await session.scalars(_KNOWN, {"numbers": list(today.values())})}
    return {number: found[n] for number, n in today.items() if n in found}


async def hand_over_codes(session: AsyncSession, *, giver: UUID, taker: UUID) -> Sequence[str]:
    """Let all keys of one participant find another one; return them."""
    done = await session.scalars(
        update(ParticipantCode)
        .where(ParticipantCode.participant_id == giver)
        .values(participant_id=taker)
        .returning(ParticipantCode.code)
    )
    return done.all()


async def give_back_codes(session: AsyncSession, codes: Sequence[str], *, giver: UUID, taker: UUID) -> None:
    await session.execute(
        update(ParticipantCode)
        .where(ParticipantCode.code.in_(codes), ParticipantCode.participant_id == giver)
        .values(participant_id=taker)
    )


async def deaths_of(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, date]:
    """Return by number the deaths heard of that count, given all numbers of some people."""
    rows = (await session.execute(_WORDS, {"numbers": list(personal_ids)})).all()
    dead = {row.personal_id: row.died_on for row in rows if row.died_on is not None}
    told = {row.personal_id: None if row.record is None else Told(row.record, row.version) for row in rows}
    past = await outweighed(session, told) if dead else ()
    return {number: died_on for number, died_on in dead.items() if number not in past}


async def add(session: AsyncSession, participants: Sequence[Participant]) -> None:
    session.add_all(participants)
    await session.flush()


async def add_code(session: AsyncSession, code: ParticipantCode) -> UUID:
    """Keep a code unless it is known; return whose it is."""
    await session.execute(
        insert(ParticipantCode)
        .values(
            code=code.code,
            kind=code.kind,
            participant_id=code.participant_id,
            state=code.state,
            valid_to=code.valid_to,
        )
        .on_conflict_do_update(
            index_elements=[ParticipantCode.code],
            set_={"state": code.state, "valid_to": code.valid_to},
            where=ParticipantCode.participant_id == code.participant_id,
        )
    )
    holder = await session.scalar(
        select(ParticipantCode.participant_id).where(ParticipantCode.code == code.code)
    )
    if holder is None:
        raise RuntimeError("a code just kept is not there")
    return holder


async def refresh(
    session: AsyncSession,
    participant_id: UUID,
    *,
    name: str,
    birth_date: date,
    sex: str,
    fetched_at: datetime,
) -> bool:
    """Replace the copy by a newer one; False when the one held is newer."""
    done = await session.execute(
        update(Participant)
        .where(Participant.id == participant_id, Participant.fetched_at < fetched_at)
        .values(name=name, birth_date=birth_date, sex=sex, fetched_at=fetched_at)
        .returning(Participant.id)
    )
    return done.first() is not None


async def version_told(session: AsyncSession, record: UUID) -> int:
    """Return the latest version of a record that told of a death or of its end; -1: none."""
    found: int | None = await session.scalar(select(func.max(Death.version)).where(Death.record == record))
    return -1 if found is None else found


async def keep_death(session: AsyncSession, personal_id: str, died_on: date | None, *, told: Told) -> None:
    """Remember a death of a number, or that there is none any more."""
    values = {"died_on": died_on, "record": told.record, "version": told.version}
    # The record may have had another number when its death was told.
    others = update(Death).where(Death.record == told.record, Death.personal_id != personal_id)
    await session.execute(others.values(died_on=None).execution_options(synchronize_session=False))
    await session.execute(
        insert(Death)
        .values(personal_id=personal_id, **values)
        .on_conflict_do_update(index_elements=[Death.personal_id], set_=values)
    )


async def mark_death(session: AsyncSession, personal_id: str, died_on: date | None) -> UUID | None:
    """Let a participant be dead since a day, or alive; return the participant's id when there is one."""
    done = await session.execute(
        update(Participant)
        .where(Participant.personal_id == await former_numbers.current(session, personal_id))
        .values(died_on=died_on)
        .returning(Participant.id)
    )
    return done.scalar_one_or_none()
