"""State and its announcement are one: events are rows of the changing transaction."""

from ndx_contracts.events.envelope import EventData
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_last
from ndx_chassis.tables import outbox
from ndx_chassis.telemetry import traceparent


async def publish(session: AsyncSession, *events: EventData) -> None:
    """Announce events when, and only when, this transaction commits."""
    if not events:
        return
    parent = traceparent()
    headers = {} if parent is None else {"traceparent": parent}
    write_last(
        session,
        outbox,
        *(
            {
                "id": new_id(),
                "aggregatetype": event.ENTITY,
                "aggregateid": event.key,
                "type": event.TYPE,
                "topic": event.TOPIC,
                "payload": event.model_dump_json(),
                "headers": headers,
            }
            for event in events
        ),
    )
