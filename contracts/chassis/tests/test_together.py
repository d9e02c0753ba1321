"""Events handled together have each effect once, and one that fails holds up none of the others."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.consumer import Event, Subscription, handle, handle_together
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.inbox import Parcel
from ndx_chassis.outbox import publish
from ndx_chassis.tables import audit_entries, inbox, outbox
from ndx_contracts.events import PersonDeceased
from ndx_contracts.events import envelope as ce
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration
Make = Callable[..., Parcel]
QUIET, RECORDED = (f"00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333{n}-0{n}" for n in "01")


class Bad(DomainError):
    kind = Kind.CONFLICT
    code = "test-bad"


@dataclass(eq=False)
class Together:
    """Leaves an entry per event, unless one is bad."""

    bad: set[str] = field(default_factory=set)
    batches: list[int] = field(default_factory=list)

    async def __call__(
        self, session: AsyncSession, events: list[Event[PersonDeceased]], _runtime: Runtime
    ) -> None:
        self.batches.append(len(events))
        for event in events:
            if str(event.id) in self.bad:
                raise Bad
            with event.trace():
                await record_audit(
                    session, event, action="seen", entity_type="event", entity_id=event.request_id
                )
                await publish(session, event.data)


async def rows(runtime: Runtime, table: Any) -> list[Any]:
    async with runtime.sessions() as session:
        return list((await session.execute(select(table))).all())


@pytest.fixture
def act() -> Together:
    return Together()


@pytest.fixture
def both(act: Together) -> Subscription:
    return Subscription("population.person.v1", "test", together={PersonDeceased: act})


class TestTogether:
    async def test_all_of_a_fetch_is_one_batch_and_a_repeat_is_none(
        self, runtime: Runtime, both: Subscription, act: Together, parcel: Make
    ) -> None:
        parcels = [parcel() for _ in range(5)]
        await handle_together(runtime, both, parcels)
        await handle_together(runtime, both, [*parcels, parcel()])
        assert act.batches == [5, 1]
        assert len(await rows(runtime, audit_entries)) == 6

    async def test_one_bad_event_waits_and_the_others_are_done(
        self, runtime: Runtime, both: Subscription, act: Together, parcel: Make
    ) -> None:
        parcels = [parcel() for _ in range(4)]
        act.bad.add(parcels[1].headers[ce.CE_ID])
        await handle_together(runtime, both, parcels)
        states = {str(row.event_id): row.state for row in await rows(runtime, inbox)}
        assert states.pop(parcels[1].headers[ce.CE_ID]) == "WAITING"
        assert list(states.values()) == ["DONE"] * 3
        assert len(await rows(runtime, audit_entries)) == 3

    async def test_where_repeats_change_nothing_the_inbox_keeps_only_what_failed(
        self, runtime: Runtime, both: Subscription, act: Together, parcel: Make
    ) -> None:
        repeatable = replace(both, repeatable=True)
        parcels = [parcel() for _ in range(3)]
        await handle_together(runtime, repeatable, parcels)
        await handle_together(runtime, repeatable, parcels)
        assert act.batches == [3, 3]
        assert await rows(runtime, inbox) == []
        bad = parcel()
        act.bad.add(bad.headers[ce.CE_ID])
        await handle_together(runtime, repeatable, [*parcels, bad])
        (failed,) = await rows(runtime, inbox)
        assert (str(failed.event_id), failed.state) == (bad.headers[ce.CE_ID], "WAITING")
        act.bad.clear()
        await handle(runtime, repeatable, bad, retrying=True)
        (done,) = await rows(runtime, inbox)
        assert done.state == "DONE"

    async def test_an_event_whose_trace_is_recorded_comes_by_itself(
        self, runtime: Runtime, both: Subscription, act: Together, parcel: Make
    ) -> None:
        parcels = [parcel(traceparent=QUIET), parcel(traceparent=RECORDED), parcel(traceparent=QUIET)]
        await handle_together(runtime, both, parcels)
        assert act.batches == [2, 1]

    async def test_each_effect_carries_the_trace_of_its_own_event(
        self, runtime: Runtime, both: Subscription, parcel: Make
    ) -> None:
        other = QUIET.replace("0af7", "1bf7")
        parcels = [parcel(traceparent=QUIET), parcel(traceparent=other), parcel()]
        await handle_together(runtime, both, parcels)
        traces = {row.entity_id: row.trace_id for row in await rows(runtime, audit_entries)}
        ids = [each.headers[ce.CE_ID] for each in parcels]
        assert [traces[one] for one in ids] == [QUIET.split("-")[1], other.split("-")[1], None]
        headers = [row.headers.get("traceparent") for row in await rows(runtime, outbox)]
        assert sorted(h or "" for h in headers) == ["", QUIET, other]
