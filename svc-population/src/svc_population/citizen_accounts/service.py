"""Use cases of citizen accounts: follow the identity service's events, tell who a token's subject is."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.citizen_accounts import repository
from svc_population.citizen_accounts.errors import AccountIsLocked, AccountUnknown
from svc_population.persons import service as persons


async def activated(
    session: AsyncSession, account_id: UUID, *, version: int, personal_id: str, level: int
) -> None:
    """Take a new account or a new level; the holder of an account never changes."""
    await repository.name_holder(session, account_id, personal_id, level)
    await repository.merge(
        session, account_id, version, {"personal_id": personal_id, "level": level, "locked": False}
    )


async def set_locked(session: AsyncSession, account_id: UUID, *, version: int, locked: bool) -> None:
    await repository.merge(session, account_id, version, {"locked": locked})


async def holder_of(session: AsyncSession, account_id: UUID) -> str:
    """Return the number of today of the account's holder.

    Raises:
        AccountUnknown: no event told of this account.
        AccountIsLocked: it may not be used.
    """
    account = await repository.account(session, account_id)
    if account is None or account.personal_id is None:
        raise AccountUnknown
    if account.locked:
        raise AccountIsLocked
    return await persons.current_number(session, account.personal_id)
