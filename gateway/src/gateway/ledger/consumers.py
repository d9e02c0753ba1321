"""Kafka door: the disclosure topics of all services."""

from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription
from ndx_chassis.db import Session
from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.topics import DISCLOSING_SERVICES, disclosure_topic

from gateway.ledger import service
from gateway.ledger.repository import Arrived


async def on_disclosures(session: Session, events: list[Event[DisclosureRecord]], runtime: Runtime) -> None:
    """Take records in."""
    del runtime
    await service.take_in(
        session, [Arrived(event.data.id, event.data.service, event.text) for event in events]
    )


def subscriptions() -> list[Subscription]:
    """Return one subscription per disclosing service."""
    return [
        Subscription(
            topic=disclosure_topic(s),
            group="ledger",
            together={DisclosureRecord: on_disclosures},
            # The ledger itself knows each record by its id.
            repeatable=True,
        )
        for s in DISCLOSING_SERVICES
    ]
