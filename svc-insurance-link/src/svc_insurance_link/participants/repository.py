"""All SQL about participants."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Text, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_insurance_link.participants.models import Death, Participant, ParticipantCode

# Built once: building a statement costs more than running it.
_LOCK = select(func.pg_advisory_xact_lock(func.hashtextextended(bindparam("number", type_=Text), 0)))
_BY_PERSONAL_ID = select(Participant).where(Participant.personal_id == bindparam("number"))
_DEATH = select(Death.died_on).where(Death.personal_id == bindparam("number"))


async def lock(session: AsyncSession, personal_id: str) -> None:
    """Serialise everything about one person until the transaction ends, whether or not a row exists."""
    await session.execute(_LOCK, {"number": personal_id})


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


async def death_of(session: AsyncSession, personal_id: str) -> date | None:
    died_on: date | None = await session.scalar(_DEATH, {"number": personal_id})
    return died_on


async def add(session: AsyncSession, participant: Participant) -> None:
    session.add(participant)
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


async def record_death(session: AsyncSession, personal_id: str, died_on: date) -> UUID | None:
    """Remember a death; return the participant's id when there is one."""
    await session.execute(
        insert(Death)
        .values(personal_id=personal_id, died_on=died_on)
        .on_conflict_do_update(index_elements=[Death.personal_id], set_={"died_on": died_on})
    )
    done = await session.execute(
        update(Participant)
        .where(Participant.personal_id == personal_id)
        .values(died_on=died_on)
        .returning(Participant.id)
    )
    return done.scalar_one_or_none()
