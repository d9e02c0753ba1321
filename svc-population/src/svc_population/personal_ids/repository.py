"""All SQL about requests for numbers."""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

from ndx_chassis.last_writes import update_last
from sqlalchemy import Table, bindparam, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.personal_ids.foresight import LAST_THRESHOLD, WORTH_WATCHING
from svc_population.personal_ids.models import PersonalIdCounter, PersonalIdRequest

# Built once: building a statement costs more than running it.
_requests = cast("Table", PersonalIdRequest.__table__)
_RECEIVE = insert(_requests).on_conflict_do_nothing().returning(_requests.c.request_id)
_MINE = (_requests.c.agency == bindparam("of_agency")) & (_requests.c.request_id == bindparam("of_request"))
_FIND = select(PersonalIdRequest).where(_MINE)
_SERIALISE = text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 20))")
_ISSUED_LIKE = (
    select(_requests.c.personal_id)
    .where(
        (_requests.c.state == "ISSUED")
        & (_requests.c.birth_date == bindparam("birth_date"))
        & (_requests.c.folded_name == bindparam("folded_name"))
        & (_requests.c.registration_commune_code == bindparam("commune"))
    )
    .limit(1)
)


async def receive(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Insert a request; False when it is there. Waits for another transaction that is inserting it now."""
    return (await session.execute(_RECEIVE, values)).first() is not None


async def request(session: AsyncSession, agency: str, request_id: UUID) -> PersonalIdRequest | None:
    return await session.scalar(_FIND, {"of_agency": agency, "of_request": request_id})


def settle(
    session: AsyncSession,
    agency: str,
    request_id: UUID,
    *,
    state: str,
    personal_id: str | None,
    person_id: UUID | None,
    reasons: Sequence[str],
) -> None:
    """Say what became of a request; it is written when the transaction commits."""
    update_last(
        session,
        _requests,
        {
            "agency": agency,
            "request_id": request_id,
            "state": state,
            "personal_id": personal_id,
            "person_id": person_id,
            "reasons": list(reasons),
        },
    )


async def serialise(session: AsyncSession, key: str) -> None:
    """Let transactions about the same thing come one after another, until each ends."""
    await session.execute(_SERIALISE, {"key": key})


async def issued_like(
    session: AsyncSession, *, birth_date: date, folded_name: str, commune: str
) -> str | None:
    """Return the number that was given for the same name and day in the same commune."""
    values = {"birth_date": birth_date, "folded_name": folded_name, "commune": commune}
    number: str | None = await session.scalar(_ISSUED_LIKE, values)
    return number


async def counters(session: AsyncSession, *, least: int, limit: int) -> Sequence[PersonalIdCounter]:
    """Return the prefixes of which at least so many numbers are taken, the fullest first."""
    order = (PersonalIdCounter.taken.desc(), PersonalIdCounter.prefix)
    statement = select(PersonalIdCounter).where(PersonalIdCounter.taken >= least)
    return (await session.scalars(statement.order_by(*order).limit(limit))).all()


async def counters_to_watch(session: AsyncSession) -> Sequence[PersonalIdCounter]:
    """Return the prefixes that can still reach a threshold, locked."""
    statement = select(PersonalIdCounter).where(
        PersonalIdCounter.taken >= WORTH_WATCHING, PersonalIdCounter.announced < LAST_THRESHOLD
    )
    return (await session.scalars(statement.with_for_update(skip_locked=True))).all()
