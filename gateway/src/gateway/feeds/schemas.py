"""What agencies and operators send and get about feeds."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from ndx_contracts.agreements import AdminScope, AgreementId
from ndx_contracts.bodies import Input, Output
from ndx_contracts.feeds import People
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.purposes import Purpose
from pydantic import Field, StringConstraints, model_validator

from gateway.feeds.models import Delivery, EventState, SubscriptionState
from gateway.feeds.vocabulary import Form

EventType = Annotated[str, StringConstraints(max_length=80, pattern=r"^[a-z-]+\.[a-z-]+\.v[0-9]+$")]
Reference = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Retry(Input):
    """How often a webhook is tried, and the first pause; each further one is about twice as long."""

    max_attempts: int = Field(default=12, ge=1, le=50)
    first_delay_seconds: int = Field(default=5, ge=1, le=3600)


class EndpointIn(Input):
    """Where events are pushed to; without `ca_pem` its certificate must come from the exchange's CA."""

    url: Annotated[str, StringConstraints(max_length=500, pattern=r"^https://[^\s/?#@]+(/[^\s#]*)?$")]
    ca_pem: Annotated[str, StringConstraints(max_length=20_000)] | None = None
    retry: Retry = Retry()
    max_events: int = Field(default=1, ge=1, le=100)
    """With more than one, a request brings a list of what waits (CloudEvents' JSON batch), in order."""


class SubscriptionIn(Input):
    agreement: AgreementId
    purpose: Purpose
    event_types: Annotated[tuple[EventType, ...], Field(min_length=1, max_length=50)]
    people: People = People.OF_INTEREST
    scope: AdminScope = AdminScope()
    """Narrows the agreement's administrative scope."""
    delivery: Delivery = Delivery.PULL
    endpoint: EndpointIn | None = None
    officer: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None
    case_id: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = None

    @model_validator(mode="after")
    def _endpoint_fits(self) -> "SubscriptionIn":
        if (self.delivery is Delivery.PUSH) is (self.endpoint is None):
            raise ValueError("an endpoint belongs to PUSH, and only to PUSH")
        return self


class SubscriptionOut(Output):
    """A subscription and how it stands; `held_by` says why nothing is handed over although it is ACTIVE."""

    id: UUID
    agency: str
    system: str
    agreement: str
    purpose: str
    event_types: list[str]
    people: People
    scope: AdminScope
    delivery: Delivery
    endpoint: str | None
    form: Form
    retry: Retry
    max_events: int
    officer: str | None
    case_id: str | None
    state: SubscriptionState
    state_reason: str | None
    held_by: str | None
    people_of_interest: int
    waiting: int
    waiting_since: datetime | None
    dead: int
    expired: int
    failures: int
    next_attempt_at: datetime | None
    created_at: datetime


class SubscriptionPage(Output):
    items: list[SubscriptionOut]
    next_cursor: str | None


class PersonOfInterest(Input):
    """A person, and the agency's own name for them, which comes back with each event."""

    personal_id: PersonalId
    reference: Reference | None = None


class InterestsIn(Input):
    people: Annotated[tuple[PersonOfInterest, ...], Field(min_length=1, max_length=5000)]


class InterestRemovalIn(Input):
    personal_ids: Annotated[tuple[PersonalId, ...], Field(min_length=1, max_length=5000)]


class InterestsOut(Output):
    people_of_interest: int
    removed: int = 0


class FeedEventOut(Output):
    """One event: `id` is the same at every delivery; `data` holds what the agreement lets out."""

    id: UUID
    cursor: str
    type: str
    source: str
    time: datetime
    reference: str | None
    data: dict[str, Any]


class FeedPage(Output):
    """Events in order; acknowledge `next_cursor` when all of them are safe."""

    items: list[FeedEventOut]
    next_cursor: str | None
    more: bool


class AckIn(Input):
    cursor: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]


class AckOut(Output):
    acknowledged: int
    waiting: int


class ReplayIn(Input):
    """From when on events are given again: all of them, or only the dead letters."""

    since: datetime
    dead_only: bool = False

    @model_validator(mode="after")
    def _moment_is_clear(self) -> "ReplayIn":
        if self.since.tzinfo is None:
            raise ValueError("since needs a time zone")
        return self


class ReplayOut(Output):
    replayed: int


class EventStatus(Output):
    """What became of an event, without its content."""

    cursor: str
    id: UUID
    type: str
    state: EventState
    attempts: int
    queued_at: datetime
    handed_over_at: datetime | None
    next_attempt_at: datetime | None
    error: str | None


class EventStatusPage(Output):
    items: list[EventStatus]
    next_cursor: str | None


class AttemptOut(Output):
    id: UUID
    event_id: UUID
    cursor: str | None
    attempted_at: datetime
    duration_ms: int
    status: int | None
    error: str | None
    delivered: bool


class AttemptPage(Output):
    items: list[AttemptOut]
    next_cursor: str | None


class SigningKey(Output):
    """An Ed25519 key by which the exchange signs (RFC 8037); `kid` is its thumbprint."""

    kty: str
    crv: str
    x: str
    kid: str
    use: str
    alg: str


class KeySet(Output):
    keys: list[SigningKey]


class EventTypeOut(Output):
    """An event type: what it discloses by itself, by its members, and what an agreement must grant."""

    type: str
    title: str
    title_vi: str
    says: FieldGroup | None
    members: dict[str, FieldGroup]
    names: str | None
    has_place: bool
    operation: str
    operation_for_everybody: str
    json_schema: dict[str, Any]


class EventTypeList(Output):
    items: list[EventTypeOut]
