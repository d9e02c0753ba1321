"""State and its announcement are one: events are rows of the changing transaction."""

from ndx_contracts.events.envelope import EventData
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.ids import new_id
from ndx_chassis.last_writes import write_last
from ndx_chassis.tables import outbox
from ndx_chassis.telemetry import traceparent

MOST_BYTES = 1_000_000
"""Of an event's data, so that with its headers it fits into what brokers take unless told otherwise."""
RELAY = "relay"
"""In the inbox's place of the consumer: an event that could not be carried to Kafka."""
SET_ASIDE = """
    INSERT INTO inbox (consumer, event_id, state, attempts, topic, error, message)
    VALUES ('relay', $1, 'DEAD', 1, $2, 'too-large', jsonb_build_object('xid', $3::bigint))
    ON CONFLICT (consumer, event_id) DO UPDATE SET state = 'DEAD', attempts = inbox.attempts + 1
"""
PUT_BACK = """
    WITH dead AS (
        UPDATE inbox SET state = 'DONE' WHERE consumer = 'relay' AND state = 'DEAD'
        RETURNING event_id, (message ->> 'xid')::bigint AS xid
    )
    INSERT INTO outbox (id, aggregatetype, aggregateid, type, topic, payload, headers, created_at)
    SELECT o.id, aggregatetype, aggregateid, type, topic, payload, headers, created_at
    FROM outbox o JOIN dead ON o.xid = dead.xid AND o.id = dead.event_id RETURNING id
"""
"""The event's row once more, behind all others: there it is carried again."""


class EventTooLarge(DomainError):
    """A change is not made when it cannot be announced."""

    kind = Kind.TOO_LARGE
    code = "event-too-large"
    title = "The change is too large to be announced"
    title_vi = "Thay đổi quá lớn, không thể thông báo"


async def publish(session: AsyncSession, *events: EventData) -> None:
    """Announce events when, and only when, this transaction commits.

    Raises:
        EventTooLarge: one is larger than Kafka's brokers take; it would keep all later ones waiting.
    """
    if not events:
        return
    payloads = [event.model_dump_json() for event in events]
    # No character has more than four bytes: most need not be counted.
    if any(4 * len(p) > MOST_BYTES and len(p.encode()) > MOST_BYTES for p in payloads):
        raise EventTooLarge(f"An event has {MOST_BYTES:,} bytes at most; make the change in parts.")
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
                "payload": payload,
                "headers": headers,
            }
            for event, payload in zip(events, payloads, strict=True)
        ),
    )
