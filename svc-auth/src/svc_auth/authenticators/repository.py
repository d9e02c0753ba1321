"""All SQL about log-ins and attempts."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, case, delete, func, select, text, update
from sqlalchemy.dialects.postgresql import BYTEA, insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_auth.authenticators.limits import CounterKind, Limit
from svc_auth.authenticators.models import AttemptCounter, Login

_COUNT = (
    "CASE WHEN c.last_at < clock_timestamp() - make_interval(secs => :forget) THEN 1 ELSE c.failures + 1 END"
)
_CHARGE = text(
    f"""
    INSERT INTO attempt_counters AS c (kind, key, failures, last_at)
    VALUES (:kind, :key, 1, clock_timestamp())
    ON CONFLICT (kind, key) DO UPDATE SET
      failures = {_COUNT},
      last_at = clock_timestamp(),
      locked_until = CASE WHEN {_COUNT} >= :free THEN
        clock_timestamp() + make_interval(
          secs => least(:longest, :first * power(2, least({_COUNT} - :free, 30)))) END
    WHERE c.locked_until IS NULL OR c.locked_until <= clock_timestamp()
    RETURNING failures
    """  # noqa: S608 - put together from constants of this module
).bindparams(bindparam("key", type_=BYTEA))
"""One attempt paid for in advance. No row comes back while the lock runs, so that of many attempts at the
same instant no more than the free ones get through."""


async def charge(session: AsyncSession, kind: CounterKind, key: bytes, limit: Limit) -> int | None:
    """Count one attempt; return the failures in a row with it, or None when it must not be made."""
    failures: int | None = await session.scalar(
        _CHARGE,
        {
            "kind": kind.value,
            "key": key,
            "free": limit.free,
            "first": float(limit.first),
            "longest": float(limit.longest),
            "forget": float(limit.forget),
        },
    )
    return failures


async def seconds_left(session: AsyncSession, kind: CounterKind, key: bytes) -> int:
    """Return how long the lock of a counter still runs, at least one second."""
    remaining = func.extract("epoch", AttemptCounter.locked_until - func.clock_timestamp())
    statement = select(func.ceil(remaining)).where(
        (AttemptCounter.kind == kind.value) & (AttemptCounter.key == key)
    )
    return max(1, int(await session.scalar(statement) or 1))


async def clear(session: AsyncSession, kind: CounterKind, key: bytes) -> None:
    await session.execute(
        delete(AttemptCounter).where((AttemptCounter.kind == kind.value) & (AttemptCounter.key == key))
    )


async def give_back(session: AsyncSession, kind: CounterKind, key: bytes, limit: Limit) -> None:
    """Take back the one attempt that a success was charged."""
    left = func.greatest(AttemptCounter.failures - 1, 0)
    await session.execute(
        update(AttemptCounter)
        .where((AttemptCounter.kind == kind.value) & (AttemptCounter.key == key))
        .values(
            failures=left,
            locked_until=case((left < limit.free, None), else_=AttemptCounter.locked_until),
        )
    )


async def forget_counters(session: AsyncSession, before: datetime) -> None:
    await session.execute(delete(AttemptCounter).where(AttemptCounter.last_at < before))


async def login_of(session: AsyncSession, handle: bytes) -> Login | None:
    return await session.scalar(select(Login).where(Login.handle == handle))


async def login(session: AsyncSession, account_id: UUID, *, lock: bool = False) -> Login | None:
    """Read a log-in; with `lock` it cannot change until this transaction ends."""
    statement = select(Login).where(Login.account_id == account_id)
    if lock:
        statement = statement.with_for_update().execution_options(populate_existing=True)
    return await session.scalar(statement)


async def ensure(session: AsyncSession, account_id: UUID) -> Login:
    """Return the locked row of an account, made now if its first event has not come yet."""
    await session.execute(insert(Login).values(account_id=account_id).on_conflict_do_nothing())
    found = await login(session, account_id, lock=True)
    if found is None:
        raise LookupError("the row was just inserted")
    return found


async def change(session: AsyncSession, row: Login, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    await session.flush()
