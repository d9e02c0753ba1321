"""Accounts follow their numbers: to the one that stands after a merger, and back when it is undone."""

from collections.abc import Mapping
from typing import Any

from ndx_chassis import former_numbers
from ndx_chassis.audit import Actor
from ndx_chassis.former_numbers import Merger
from sqlalchemy.ext.asyncio import AsyncSession

from svc_identity.accounts import repository
from svc_identity.accounts.locking import end_lock, lock_by_event
from svc_identity.accounts.models import LockCause


async def lead_on(
    session: AsyncSession, actor: Actor, *, old: str, new: str | None, merger: Merger | None
) -> str | None:
    """Lock the account of a number that is no more, and note to which one it leads; return that one.

    An account stands for its number. Whoever has two because of two records keeps that of the number that
    stands; who has none under it opens one at an office.
    """
    await repository.hold(session, [old] if new is None else [old, new])
    target = None if new is None else await former_numbers.to_follow(session, old=old, new=new, merger=merger)
    if merger is None:
        await lock_by_event(session, actor, old, LockCause.PERSONAL_ID_CANCELLED)
    elif target is not None:
        await lock_by_event(session, actor, old, LockCause.PERSONS_MERGED)
    if target is not None:
        await former_numbers.lead_on(session, old=old, new=target, merger=merger, kept={})
    return target


async def keep(session: AsyncSession, old: str, more: dict[str, Any]) -> None:
    """Note what else followed a number, to be given back if the merger is undone."""
    await former_numbers.keep(session, old, more)


async def stand_alone(
    session: AsyncSession, actor: Actor, *, number: str, merger: Merger | None
) -> Mapping[str, Any] | None:
    """Unlock the account of a number whose merger is undone; return what was kept, None if there was none."""
    await repository.hold(session, [number])
    former = await former_numbers.part(session, number=number, merger=merger)
    if former is None:
        return None
    account = await repository.account_of(session, number, lock=True)
    locks = [] if account is None else await repository.open_locks(session, account.id)
    ending = next((lock for lock in locks if lock.cause is LockCause.PERSONS_MERGED), None)
    if account is not None and ending is not None:
        await end_lock(session, actor, account, ending, last=len(locks) == 1)
    return former.kept
