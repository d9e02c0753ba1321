"""Kafka door of the citizen's view: the disclosure records of the other services."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.topics import DISCLOSING_SERVICES, disclosure_topic
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.disclosures import service


async def on_disclosure(session: AsyncSession, event: Event[DisclosureRecord], _runtime: Runtime) -> None:
    await service.keep_foreign(session, event.data)


SUBSCRIPTIONS = [
    Subscription(disclosure_topic(other), "population", {DisclosureRecord: on_disclosure})
    for other in DISCLOSING_SERVICES
    if other != "population"
]
