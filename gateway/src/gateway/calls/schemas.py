"""Calls as they are shown: X-Road's operational-monitoring fields, both sides in one record."""

from datetime import datetime
from typing import Literal

from ndx_contracts.bodies import Output


class CallOut(Output):
    """One call; it names no person: the operation stands for the path, and nothing of the content is kept."""

    request_id: str
    """`NDX-Request-Id`; the disclosure record of the call, if it left one, has the same."""
    request_in: datetime
    """X-Road's requestInTs."""
    request_out: datetime | None
    """requestOutTs: when it was passed on to the provider."""
    response_in: datetime | None
    """responseInTs: when the provider's answer began to come."""
    response_out: datetime
    """responseOutTs: when the caller had the whole answer."""
    client_agency: str | None
    client_system: str | None
    provider_agency: str | None
    service: str | None
    operation: str | None
    method: str | None
    path: str | None
    """The operation's path template, never the path."""
    agreement: str | None
    purpose: str | None
    status: int
    succeeded: bool
    refusal: str | None
    """The gateway's problem code; null when the provider answered."""
    answered_by: Literal["GATEWAY", "PROVIDER"]
    request_size: int
    response_size: int
    """Bytes of the bodies."""
    duration_ms: int
    provider_ms: int | None
    trace_id: str | None


class CallPage(Output):
    items: list[CallOut]
    next_cursor: str | None


class Spread(Output):
    """Of what was measured: the least, the mean, the most and the standard deviation."""

    least: float
    mean: float
    most: float
    deviation: float


class OperationHealth(Output):
    """How an operation did of late: X-Road's health figures of a service."""

    provider_agency: str | None
    service: str
    operation: str
    successful_requests: int
    """X-Road's successfulRequestCount."""
    unsuccessful_requests: int
    """X-Road's unsuccessfulRequestCount: callers' mistakes and refusals as well."""
    provider_failures: int
    """Of the unsuccessful ones those that the provider is the cause of: away, too slow, or broken (5xx)."""
    last_successful_at: datetime | None
    last_unsuccessful_at: datetime | None
    """When such a call came in; null: none in the period."""
    duration_ms: Spread
    request_size: Spread
    response_size: Spread


class HealthOut(Output):
    """Health of the operations that were called in a period that ends now."""

    period_seconds: int
    items: list[OperationHealth]
