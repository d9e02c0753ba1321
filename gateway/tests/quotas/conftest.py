"""An Envoy and a control plane that share a quota by day and month, and an agreement that has one."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from gateway.quotas import repository, service
from gateway.quotas.desk import Batch, Desk, Order
from gateway.quotas.holders import Bucket, Report
from gateway.quotas.periods import Period
from gateway.quotas.spent import WHOLE_AGENCY
from ndx_chassis.app import Runtime

Do = Callable[..., Any]
NUMBER = "DSA-H79.001-1"
BUCKET = Bucket("H79.001", NUMBER, 1)
NOON = datetime(2026, 11, 24, 5, tzinfo=UTC)  # in Vietnam
INTERVAL = timedelta(seconds=5)
TERMS: dict[str, Any] = {
    "consumer_agency": "H79.001",
    "provider_agency": "G03",
    "operations": [{"operation": "insurance.check", "field_groups": ["insurance_entitlement"]}],
    "purposes": ["HEALTH_ENTITLEMENT"],
    "legal_basis": {"text": "Clinics check entitlement at the counter", "reference": "25/2008/QH12"},
    "valid_from": "2025-07-01",
}


@dataclass
class Envoy:
    """Counts and refuses as the real one does."""

    stream: int
    left: dict[Bucket, int | None] = field(default_factory=dict)
    """None = everything passes, until something is assigned."""
    allowed: dict[Bucket, int] = field(default_factory=dict)
    refused: dict[Bucket, int] = field(default_factory=dict)
    served: int = 0
    fresh: set[Bucket] = field(default_factory=set)

    def call(self, count: int, bucket: Bucket = BUCKET) -> int:
        if bucket not in self.left:
            self.fresh.add(bucket)
        left = self.left.setdefault(bucket, None)
        passed = count if left is None else min(count, left)
        self.left[bucket] = None if left is None else left - passed
        self.allowed[bucket] = self.allowed.get(bucket, 0) + passed
        self.refused[bucket] = self.refused.get(bucket, 0) + count - passed
        self.served += passed * bucket.cost
        return passed

    def reports(self) -> list[Report]:
        found = [
            Report(self.stream, b, self.allowed.get(b, 0), self.refused.get(b, 0), fresh=b in self.fresh)
            for b in self.left
        ]
        self.allowed, self.refused, self.fresh = {}, {}, set()
        return found

    def obey(self, orders: list[Order]) -> None:
        for order in orders:
            if order.stream != self.stream or order.again:
                continue
            if order.calls is None:
                self.left.pop(order.bucket, None)
            else:
                self.left[order.bucket] = order.calls


@dataclass
class Service:
    """A control plane at work, with a clock that the test moves."""

    runtime: Runtime
    desk: Desk = field(default_factory=Desk)
    now: datetime = NOON
    number: int = 0

    async def count(self, *envoys: Envoy, repeat: bool = False) -> list[Order]:
        """Take in what the Envoys report, and tell them what follows."""
        self.number += not repeat
        self.now += INTERVAL
        batch = Batch(self.number, tuple(r for e in envoys for r in e.reports()))
        async with self.runtime.sessions() as session, session.begin():
            outcome = await service.take_in(session, self.desk, batch, now=self.now)
        self.desk.settle(outcome)
        for envoy in envoys:
            envoy.obey(outcome.orders)
        return outcome.orders

    async def used(self, period: Period = Period.DAY) -> int:
        start = self.desk.calendar.start(period, self.now)
        async with self.runtime.sessions() as session:
            rows = await repository.uses(session, [(period.value, start)], agency="H79.001")
        return sum(row.units for row in rows if row.agreement_id != WHOLE_AGENCY)

    async def used_in_all(self) -> int:
        """Return what the tally says of the whole agency today."""
        today = (Period.DAY.value, self.desk.calendar.day(self.now))
        async with self.runtime.sessions() as session:
            rows = await repository.uses(session, [today], groups=[("H79.001", WHOLE_AGENCY)])
        return sum(row.units for row in rows)


@pytest.fixture
def control(bus: FastAPI, runtime: Runtime) -> Service:
    return Service(runtime)


@pytest.fixture
def agreed(post: Do, hospital: Any) -> Do:
    """Bring an agreement with quotas into force."""

    async def approve(**quotas: int) -> None:
        await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
        await post("NDX:an", "/v1/agreements", TERMS | {"quotas": quotas}, 201)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
        await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")

    return approve
