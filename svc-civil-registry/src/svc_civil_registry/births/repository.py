"""All SQL on births and on the queue of those that wait for a number."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    Interval,
    Select,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, BIGINT
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.births.models import births, number_requests
from svc_civil_registry.events.models import records

_LOCK = text("SELECT pg_advisory_xact_lock(k) FROM unnest(:keys) AS k").bindparams(
    bindparam("keys", type_=ARRAY(BIGINT))
)
_CANDIDATES = 50

# Statements are built once: building them, and finding their compiled form, costs more than running them.
_NOW = func.clock_timestamp()
_INSERT_BIRTH = insert(births)
_FIND_BIRTH = select(births).where(births.c.record_id == bindparam("birth_id"))
_SET_NUMBER = (
    update(births)
    .where(births.c.record_id == bindparam("birth_id"), births.c.personal_id.is_(None))
    .values(
        personal_id=bindparam("new_personal_id"), person_id=bindparam("new_person_id"), registered_at=_NOW
    )
    .returning(births.c.registered_at)
    .add_cte(
        delete(number_requests).where(number_requests.c.birth_id == bindparam("birth_id")).cte("answered")
    )
)
_INSERT_REQUEST = insert(number_requests).values(leased_until=_NOW + bindparam("lease", type_=Interval()))
_DELETE_REQUEST = delete(number_requests).where(number_requests.c.birth_id == bindparam("of_birth"))
_from, _to = bindparam("from_date", type_=Date()), bindparam("to_date", type_=Date())
_near = births.c.birth_date.between(_from, _to)
_ids = select(births.c.record_id)
_BY_MOTHER = _ids.where(births.c.mother_personal_id == bindparam("mother_personal_id"), _near)
_BY_MOTHER_NAME = _ids.where(births.c.mother_key == bindparam("mother_key"), _near)
_BY_NOTICE = _ids.where(births.c.notice == bindparam("notice"))
_BY_CHILD = _ids.where(
    births.c.child_key == bindparam("child_key"),
    births.c.mother_key.is_(None),
    births.c.birth_date == bindparam("birth_date"),
)


@cache
def _candidates(*ways: Select[Any]) -> Select[Any]:
    found = union(*ways).subquery()
    return (
        select(births.c.record_id, births.c.declaration, births.c.natural_key)
        .join(records, records.c.id == births.c.record_id)
        .where(births.c.record_id.in_(select(found.c.record_id)))
        .where(records.c.status != "ARCHIVED")
        .order_by(births.c.record_id)
        .limit(_CANDIDATES)
    )


async def lock_keys(session: AsyncSession, keys: Sequence[int]) -> None:
    """Let declarations that share a key pass one after the other; sorted, so that none wait in a circle."""
    await session.execute(_LOCK, {"keys": sorted(set(keys))})


async def find_candidates(
    session: AsyncSession,
    *,
    birth_date: date,
    window_days: int,
    child_key: str,
    mother_key: str | None,
    mother_personal_id: str | None,
    notice: str | None,
) -> Sequence[Any]:
    """Return births that share a mother, her name, the notice, or (without a mother) the child's name."""
    window = timedelta(days=window_days)
    ways = [_BY_MOTHER_NAME if mother_key is not None else _BY_CHILD]
    if mother_personal_id is not None:
        ways.append(_BY_MOTHER)
    if notice is not None:
        ways.append(_BY_NOTICE)
    values = {
        "from_date": birth_date - window,
        "to_date": birth_date + window,
        "birth_date": birth_date,
        "child_key": child_key,
        "mother_key": mother_key,
        "mother_personal_id": mother_personal_id,
        "notice": notice,
    }
    rows: Sequence[Any] = (await session.execute(_candidates(*ways), values)).all()
    return rows


async def insert_birth(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(_INSERT_BIRTH, values)


async def find_birth(session: AsyncSession, birth_id: UUID) -> Any:
    return (await session.execute(_FIND_BIRTH, {"birth_id": birth_id})).first()


async def set_number(session: AsyncSession, birth_id: UUID, *, personal_id: str, person_id: UUID) -> datetime:
    """Write the number, which ends the request for it, and return when.

    The database refuses a number that another birth has.
    """
    values = {"birth_id": birth_id, "new_personal_id": personal_id, "new_person_id": person_id}
    registered_at: datetime = (await session.execute(_SET_NUMBER, values)).scalar_one()
    return registered_at


async def drop_natural_key(session: AsyncSession, birth_id: UUID) -> None:
    """Give the natural key free: the record is archived as a duplicate."""
    await session.execute(update(births).where(births.c.record_id == birth_id).values(natural_key=None))


async def list_births(
    session: AsyncSession,
    *,
    status: str | None,
    flag: str | None,
    office: str | None,
    provinces: Sequence[str],
    communes: Sequence[str],
    after: UUID | None,
    limit: int,
) -> Sequence[Any]:
    """Return births in the order of their declaration, within the caller's scope."""
    statement = (
        select(records, births.c.declaration, births.c.personal_id)
        .join(births, births.c.record_id == records.c.id)
        .where(records.c.kind == "BIRTH")
        .order_by(records.c.id)
        .limit(limit)
    )
    if status is not None:
        statement = statement.where(records.c.status == status)
    if flag is not None:
        statement = statement.where(records.c.flags.contains([flag]))
    if after is not None:
        statement = statement.where(records.c.id > after)
    scoped = _scoped(statement, records, office, provinces, communes)
    rows: Sequence[Any] = (await session.execute(scoped)).all()
    return rows


def _scoped(
    statement: Select[Any], table: Any, office: str | None, provinces: Sequence[str], communes: Sequence[str]
) -> Select[Any]:
    if office is not None:
        statement = statement.where(table.c.office == office)
    if provinces or communes:
        statement = statement.where(
            or_(table.c.province_code.in_(provinces), table.c.commune_code.in_(communes))
        )
    return statement


# The queue


def _in(seconds: float) -> ColumnElement[datetime]:
    return func.clock_timestamp() + timedelta(seconds=seconds)


async def insert_number_request(session: AsyncSession, values: dict[str, Any], *, lease: float) -> None:
    """Put a birth into the queue, leased to the caller who is about to ask for the number."""
    await session.execute(_INSERT_REQUEST, {**values, "lease": timedelta(seconds=lease)})


async def delete_number_request(session: AsyncSession, birth_id: UUID) -> None:
    await session.execute(_DELETE_REQUEST, {"of_birth": birth_id})


async def lease_number_request(session: AsyncSession, birth_id: UUID, *, lease: float) -> Any:
    """Take one waiting birth for an attempt now, whatever its next time was."""
    return (
        await session.execute(
            update(number_requests)
            .where(number_requests.c.birth_id == birth_id)
            .values(leased_until=_in(lease))
            .returning(*number_requests.c)
        )
    ).first()


async def claim_due_requests(session: AsyncSession, *, limit: int, lease: float) -> Sequence[Any]:
    """Take waiting births whose time has come; what another attempt holds is skipped."""
    now = func.clock_timestamp()
    due = (
        select(number_requests.c.birth_id)
        .where(number_requests.c.next_attempt_at <= now)
        .where(or_(number_requests.c.leased_until.is_(None), number_requests.c.leased_until < now))
        .order_by(number_requests.c.next_attempt_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    statement = (
        update(number_requests)
        .where(number_requests.c.birth_id.in_(select(due.c.birth_id)))
        .values(leased_until=_in(lease))
        .returning(*number_requests.c)
    )
    rows: Sequence[Any] = (await session.execute(statement)).all()
    return rows


async def postpone_request(
    session: AsyncSession, birth_id: UUID, *, first_delay: float, longest_delay: float, error: str
) -> None:
    """Note a failed attempt and give the lease back; the delay doubles with each."""
    doubled = first_delay * func.power(2, func.least(number_requests.c.attempts, 30))
    delay = func.least(longest_delay, doubled)
    await session.execute(
        update(number_requests)
        .where(number_requests.c.birth_id == birth_id)
        .values(
            attempts=number_requests.c.attempts + 1,
            next_attempt_at=func.clock_timestamp() + func.make_interval(0, 0, 0, 0, 0, 0, delay),
            leased_until=None,
            last_error=error,
        )
    )


async def hasten_requests(session: AsyncSession, *, error: str) -> None:
    """Make those due at once that failed for a reason that has just gone."""
    await session.execute(
        update(number_requests)
        .where(number_requests.c.last_error == error, number_requests.c.leased_until.is_(None))
        .where(number_requests.c.next_attempt_at > func.clock_timestamp())
        .values(next_attempt_at=func.clock_timestamp())
    )


async def list_waiting(
    session: AsyncSession,
    *,
    office: str | None,
    provinces: Sequence[str],
    communes: Sequence[str],
    after: UUID | None,
    limit: int,
) -> Sequence[Any]:
    statement = select(number_requests).order_by(number_requests.c.birth_id).limit(limit)
    if after is not None:
        statement = statement.where(number_requests.c.birth_id > after)
    scoped = _scoped(statement, number_requests, office, provinces, communes)
    rows: Sequence[Any] = (await session.execute(scoped)).all()
    return rows
