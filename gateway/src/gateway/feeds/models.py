"""Subscriptions, the people they are about, and the events that wait for them.

A subscription stands under one agreement: ACTIVE ⇄ PAUSED (by its agency), ACTIVE | PAUSED ⇄ SUSPENDED (by an
operator), → ENDED, which nothing follows. What an agreement or agency may at this moment is asked at every
hand-over, so that a suspension there needs no step here.

An event is a row per subscription that gets it: PENDING → DONE | DEAD | EXPIRED | WITHHELD. `position` grows
by one per subscription in the order of commits. People are kept as keyed hashes, contents sealed with a key
that lies outside the database; a row that is over loses its content after a stated time. So these tables say
nothing to somebody who has only them.
"""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, Integer, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, TIMESTAMP
from sqlalchemy.orm import Mapped, mapped_column

from gateway.tables import Base

_TIME = TIMESTAMP(timezone=True)


class SubscriptionState(StrEnum):
    ACTIVE = "ACTIVE"
    PAUSED = "PAUSED"
    SUSPENDED = "SUSPENDED"
    ENDED = "ENDED"


class Delivery(StrEnum):
    """How events reach the agency: it fetches them, or the exchange calls its webhook."""

    PULL = "PULL"
    PUSH = "PUSH"


class EventState(StrEnum):
    """EXPIRED: not fetched in time; WITHHELD: no longer covered when it was to be handed over."""

    PENDING = "PENDING"
    DONE = "DONE"
    DEAD = "DEAD"
    EXPIRED = "EXPIRED"
    WITHHELD = "WITHHELD"


S = SubscriptionState
STEPS: dict[str, tuple[frozenset[SubscriptionState], SubscriptionState]] = {
    "pause": (frozenset({S.ACTIVE}), S.PAUSED),
    "resume": (frozenset({S.PAUSED}), S.ACTIVE),
    "suspend": (frozenset({S.ACTIVE, S.PAUSED}), S.SUSPENDED),
    "release": (frozenset({S.SUSPENDED}), S.PAUSED),
    "end": (frozenset({S.ACTIVE, S.PAUSED, S.SUSPENDED}), S.ENDED),
}
"""Step → (states in which it is allowed, state that it leads to). The agency resumes what was released."""


class FeedSubscription(Base):
    __tablename__ = "feed_subscriptions"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    agency: Mapped[str] = mapped_column(Text, index=True)
    system: Mapped[str] = mapped_column(Text)
    agreement_id: Mapped[str] = mapped_column(Text, index=True)
    purpose: Mapped[str] = mapped_column(Text)
    officer: Mapped[str | None] = mapped_column(Text)
    case_id: Mapped[str | None] = mapped_column(Text)
    event_types: Mapped[list[str]] = mapped_column(ARRAY(Text))
    people: Mapped[str] = mapped_column(Text)
    provinces: Mapped[list[str]] = mapped_column(ARRAY(Text))
    communes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    delivery: Mapped[str] = mapped_column(Text)
    endpoint: Mapped[str | None] = mapped_column(Text)
    form: Mapped[str] = mapped_column(Text, server_default=text("'CLOUD_EVENT'"))
    """How events are written for the endpoint."""
    endpoint_ca: Mapped[str | None] = mapped_column(Text)
    """PEM of the authority that the endpoint's certificate must come from; None: the exchange's own."""
    max_attempts: Mapped[int] = mapped_column(Integer)
    first_delay_seconds: Mapped[int] = mapped_column(Integer)
    max_events: Mapped[int] = mapped_column(Integer, server_default=text("1"))
    """How many events the endpoint takes in one request."""
    state: Mapped[str] = mapped_column(Text)
    state_reason: Mapped[str | None] = mapped_column(Text)
    last_position: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    acknowledged: Mapped[int] = mapped_column(BigInteger, server_default=text("0"))
    """All positions up to this one were acknowledged."""
    failures: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    """Attempts in a row at which the endpoint was not there."""
    next_attempt_at: Mapped[datetime | None] = mapped_column(_TIME)
    leased_by: Mapped[UUID | None]
    """The worker that sends to its webhook now: nobody else does before `leased_until`."""
    leased_until: Mapped[datetime | None] = mapped_column(_TIME)
    created_at: Mapped[datetime] = mapped_column(_TIME)
    updated_at: Mapped[datetime] = mapped_column(_TIME)


class FeedInterest(Base):
    """A person in whom an agency has registered interest, and the agency's own name for them."""

    __tablename__ = "feed_interests"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("feed_subscriptions.id"), primary_key=True)
    person_key: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True, index=True)
    sealed_reference: Mapped[bytes | None] = mapped_column(LargeBinary)


class FeedEvent(Base):
    """An event on its way to one subscription, and what became of it."""

    __tablename__ = "feed_events"

    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("feed_subscriptions.id"), primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[UUID]
    event_type: Mapped[str] = mapped_column(Text)
    person_key: Mapped[bytes] = mapped_column(LargeBinary)
    """Whom it is about: events of one person are handed over in their order."""
    interest_key: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The registered interest by which it was chosen."""
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text)
    attempts: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    next_attempt_at: Mapped[datetime | None] = mapped_column(_TIME)
    handed_over_at: Mapped[datetime | None] = mapped_column(_TIME)
    queued_at: Mapped[datetime] = mapped_column(_TIME)
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        Index("uq_feed_events_event", "subscription_id", "event_id", unique=True),
        Index(
            "ix_feed_events_pending",
            "subscription_id",
            "position",
            postgresql_where=text("state = 'PENDING'"),
        ),
        Index(
            "ix_feed_events_person",
            "subscription_id",
            "person_key",
            "position",
            postgresql_where=text("state = 'PENDING'"),
        ),
        Index("ix_feed_events_queued_at", "queued_at", postgresql_where=text("sealed IS NOT NULL")),
    )


class FeedAttempt(Base):
    """One call of a webhook: when, how long, with which answer."""

    __tablename__ = "feed_attempts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subscription_id: Mapped[UUID] = mapped_column(ForeignKey("feed_subscriptions.id"))
    position: Mapped[int | None] = mapped_column(BigInteger)
    """None for a test delivery."""
    event_id: Mapped[UUID]
    attempted_at: Mapped[datetime] = mapped_column(_TIME)
    duration_ms: Mapped[int] = mapped_column(Integer)
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str | None] = mapped_column(Text)
    delivered: Mapped[bool] = mapped_column(Boolean)

    __table_args__ = (
        Index("ix_feed_attempts_subscription_id", "subscription_id", "id"),
        Index("ix_feed_attempts_attempted_at", "attempted_at"),
    )
