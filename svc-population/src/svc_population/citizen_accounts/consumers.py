"""Kafka door of citizen accounts."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import AccountActivated, AccountLocked, AccountUnlocked

from svc_population.citizen_accounts import service


async def on_activated(session: Session, event: Event[AccountActivated], _runtime: Runtime) -> None:
    data = event.data
    await service.activated(
        session,
        data.account_id,
        version=data.account_version,
        personal_id=data.personal_id,
        level=data.level,
    )


async def on_locked(session: Session, event: Event[AccountLocked], _runtime: Runtime) -> None:
    data = event.data
    await service.set_locked(session, data.account_id, version=data.account_version, locked=True)


async def on_unlocked(session: Session, event: Event[AccountUnlocked], _runtime: Runtime) -> None:
    data = event.data
    await service.set_locked(session, data.account_id, version=data.account_version, locked=False)


SUBSCRIPTIONS = [
    Subscription(
        "identity.account.v1",
        "population",
        {AccountActivated: on_activated, AccountLocked: on_locked, AccountUnlocked: on_unlocked},
    ),
]
