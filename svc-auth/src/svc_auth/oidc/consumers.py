"""Kafka door of log-ins: means of authentication and grants follow the e-ID accounts."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import AccountActivated, AccountLocked, AccountUnlocked, ActivationCodeIssued

from svc_auth.authenticators import service
from svc_auth.oidc.service import end_grants


async def on_account_activated(session: Session, event: Event[AccountActivated], runtime: Runtime) -> None:
    await service.follow_activation(session, runtime, event)


async def on_activation_code_issued(
    session: Session, event: Event[ActivationCodeIssued], runtime: Runtime
) -> None:
    if await service.follow_new_code(session, runtime, event):
        await end_grants(session, event.data.account_id, cause="means-replaced")


async def on_account_locked(session: Session, event: Event[AccountLocked], _runtime: Runtime) -> None:
    if await service.follow_lock(session, event):
        await end_grants(session, event.data.account_id, cause="account-locked")


async def on_account_unlocked(session: Session, event: Event[AccountUnlocked], _runtime: Runtime) -> None:
    await service.follow_lock(session, event)


SUBSCRIPTIONS = [
    Subscription(
        "identity.account.v1",
        "auth",
        {
            AccountActivated: on_account_activated,
            ActivationCodeIssued: on_activation_code_issued,
            AccountLocked: on_account_locked,
            AccountUnlocked: on_account_unlocked,
        },
    )
]
