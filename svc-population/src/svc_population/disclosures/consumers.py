"""Kafka door of the citizen's view: the disclosure records of the other services."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.topics import DISCLOSING_SERVICES, disclosure_topic

from svc_population.disclosures import service


async def on_disclosures(session: Session, events: list[Event[DisclosureRecord]], _runtime: Runtime) -> None:
    await service.keep_foreign(session, [event.data for event in events])


SUBSCRIPTIONS = [
    Subscription(disclosure_topic(other), "population", together={DisclosureRecord: on_disclosures})
    for other in DISCLOSING_SERVICES
    if other != "population"
]
