"""What is sent to a webhook: an event as a CloudEvent, or that within a message of OSIA's notification file.

OSIA: Copyright © Secure Identity Alliance (2022); `contracts/osia/notification.yaml`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import orjson

from gateway.feeds.schemas import FeedEventOut
from gateway.feeds.vocabulary import Form

_TOPICS = UUID("0d4a7f0e-9f3c-5c9b-8a51-6f0c2c1d7b58")
"""Name space of topics: an event type's topic id follows from its name."""


@dataclass(frozen=True, slots=True)
class Letter:
    """A body and the headers that belong to it."""

    body: bytes
    headers: dict[str, str]


def topic_id(event_type: str) -> UUID:
    return uuid5(_TOPICS, event_type)


def cloud_event(event: FeedEventOut) -> bytes:
    """Return an event in CloudEvents' structured JSON form."""
    return orjson.dumps(_document(event))


def batch(events: Sequence[FeedEventOut]) -> Letter:
    """Return several events in CloudEvents' JSON batch form, in their order."""
    body = orjson.dumps([_document(event) for event in events])
    return Letter(body, {"Content-Type": "application/cloudevents-batch+json"})


def _document(event: FeedEventOut) -> dict[str, Any]:
    document = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": event.source or "/ndx",
        "type": event.type,
        "time": event.time.isoformat(),
        "datacontenttype": "application/json",
        "ndxcursor": event.cursor,
        "data": event.data,
    }
    if event.reference is not None:
        document["ndxreference"] = event.reference
    return document


def letter(form: Form, event: FeedEventOut, subscription: UUID) -> Letter:
    """Return an event in the form that a subscription wants."""
    inside = cloud_event(event)
    if form is Form.CLOUD_EVENT:
        return Letter(inside, {"Content-Type": "application/cloudevents+json"})
    told = {"message": inside.decode(), "subject": event.type, "timestamp": event.time.isoformat()}
    return _message("Notification", subscription, (event.type, event.id), told)


def confirmation(
    subscription: UUID, event_type: str, token: str, *, message_id: UUID, moment: datetime
) -> Letter:
    """Return the message that asks an address to confirm; it is about nobody."""
    words = "Confirm the subscription with this token."
    told = {"message": words, "token": token, "timestamp": moment.isoformat()}
    return _message("SubscriptionConfirmation", subscription, (event_type, message_id), told)


def _message(kind: str, subscription: UUID, about: tuple[str, UUID], told: dict[str, str]) -> Letter:
    event_type, identifier = about
    topic = str(topic_id(event_type))
    headers = {
        "Content-Type": "application/json",
        "message-type": kind,
        "subscription-id": str(subscription),
        "message-id": str(identifier),
        "topic-id": topic,
    }
    return Letter(orjson.dumps({"type": kind, "topic": topic, "messageId": str(identifier), **told}), headers)
