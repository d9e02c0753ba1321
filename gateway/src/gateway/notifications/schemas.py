"""What the notification file lets come in and go out."""

from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Output
from ndx_contracts.personal_ids import mask_all
from pydantic import AfterValidator, StringConstraints


def _no_number(text: str) -> str:
    if mask_all(text) != text:
        raise ValueError("no personal number belongs into a query string")
    return text


Address = Annotated[str, StringConstraints(min_length=1, max_length=500), AfterValidator(_no_number)]
"""It stands in the query string, so it must not hold a personal number."""
TopicName = Annotated[str, StringConstraints(min_length=1, max_length=80), AfterValidator(_no_number)]
Policy = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,6},-?[0-9]{1,6}$")]
"""Seconds to wait before the first retry, and the most retries."""
Token = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{64}$")]


class TopicOut(Output):
    """An event type; its id follows from its name."""

    uuid: UUID
    name: str


class OsiaSubscriptionOut(Output):
    """A webhook on one topic; `active` once its address has confirmed it."""

    uuid: UUID
    topic: UUID
    protocol: str
    address: str
    policy: str
    active: bool
