"""Kafka door of accounts: a cancelled number locks the account at once, without a human step."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.events import PersonalIdCancelled

from svc_identity.accounts import service


async def on_personal_id_cancelled(
    session: Session, event: Event[PersonalIdCancelled], _runtime: Runtime
) -> None:
    await service.lock_for_cancelled_number(session, event, personal_id=event.data.old_personal_id)


SUBSCRIPTIONS = [
    Subscription("population.personal-id.v1", "identity", {PersonalIdCancelled: on_personal_id_cancelled}),
]
