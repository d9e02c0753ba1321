"""Several processes send: never two to one webhook at once, and a crash is soon made good."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from gateway.feeds import leases, pushing, workers
from gateway.feeds.calling import Answer
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from sqlalchemy import text

from ..conftest import DEAD, OTHER, death
from ..receivers import Receiver, push
from .conftest import hanging, states

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestWorkers:
    async def test_two_processes_never_send_to_one_webhook_at_once(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do, session: Any
    ):
        made = await hook(receiver.url, people=(DEAD, OTHER))
        await deliver(death(DEAD))
        await deliver(death(OTHER))
        first, second, wanted = new_id(), new_id(), [UUID(made)]
        (taken,) = (await pushing.exchange(runtime, first, (), wanted)).errands
        assert (await pushing.exchange(runtime, second, (), wanted)).errands == []
        # The first one is believed dead, and then comes back with an answer.
        await session.execute(text("UPDATE feed_subscriptions SET leased_until = now()"))
        await session.commit()
        (again,) = (await pushing.exchange(runtime, second, (), wanted)).errands
        assert taken.parcel is not None
        assert again.parcel is not None
        assert again.parcel.events == taken.parcel.events
        late = pushing.Outcome(UUID(made), taken.parcel, Answer(503, "status-503", 5))
        assert (await pushing.exchange(runtime, first, [late], wanted)).errands == []
        shown = await ask("GET", f"/subscriptions/{made}")
        assert (shown["failures"], shown["waiting"]) == (0, 2)
        told = pushing.Outcome(UUID(made), again.parcel, Answer(204, None, 5))
        (other,) = (await pushing.exchange(runtime, second, [told], wanted)).errands
        assert other.parcel is not None
        assert other.parcel.events != again.parcel.events
        assert await states(ask, made) == [("DONE", 0), ("PENDING", 0)]
        assert len((await ask("GET", f"/subscriptions/{made}/attempts"))["items"]) == 2

    async def test_after_a_crash_another_process_may_send_within_seconds(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, session: Any
    ):
        made = await hook(receiver.url)
        await deliver(death())
        crashed = await pushing.exchange(runtime, new_id(), (), [UUID(made)])
        assert len(crashed.errands) == 1
        left = await session.scalar(text("SELECT leased_until - now() FROM feed_subscriptions"))
        assert left <= timedelta(seconds=leases.LEASE_SECONDS) <= timedelta(seconds=6)

    @pytest.mark.parametrize("failed_before", [False, True], ids=["at once", "after a look"])
    async def test_a_call_that_lasts_keeps_its_webhook(
        self,
        receiver: Receiver,
        hook: Do,
        deliver: Do,
        runtime: Runtime,
        session: Any,
        monkeypatch: pytest.MonkeyPatch,
        failed_before: bool,
    ):
        monkeypatch.setattr(leases, "BEAT_SECONDS", 0.1)
        made = await hook(receiver.url)
        if failed_before:
            await session.execute(text("UPDATE feed_subscriptions SET failures = 1"))
            await session.commit()
        await deliver(death())
        async with hanging(receiver, runtime) as called:
            await called.wait()
            first = await self.leased_until(session)
            while await self.leased_until(session) == first:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert (await pushing.exchange(runtime, new_id(), (), [UUID(made)])).errands == []
        assert len(receiver.got) == 1

    async def test_a_call_whose_lease_cannot_be_kept_ends_before_others_may_begin(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do, monkeypatch: Any
    ):
        monkeypatch.setattr(leases, "BEAT_SECONDS", 0.1)
        monkeypatch.setattr(leases, "LEASE_SECONDS", 4.0)
        monkeypatch.setattr(leases, "MARGIN_SECONDS", 3.0)

        async def database_is_away(*_: Any) -> None:
            raise OSError

        monkeypatch.setattr(pushing, "keep_leases", database_is_away)
        made = await hook(receiver.url)
        await deliver(death())
        asked: list[web.Request] = []
        async with hanging(receiver, runtime, asked) as called:
            await called.wait()
            while (line := asked[0].transport) is not None and not line.is_closing():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await push(runtime, made)
        assert await states(ask, made) == [("DONE", 0)]

    @staticmethod
    async def leased_until(session: Any) -> datetime:
        await session.commit()
        found: datetime = await session.scalar(text("SELECT leased_until FROM feed_subscriptions"))
        return found

    async def test_a_suspension_while_a_call_is_under_way_stops_the_next_one(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, post: Do, agreement: str, ask: Do
    ):
        called, answered = asyncio.Event(), asyncio.Event()

        async def wait(_request: web.Request) -> web.Response:
            called.set()
            await answered.wait()
            return web.Response()

        receiver.behave = wait
        made = await hook(receiver.url, people=(DEAD, OTHER))
        await deliver(death(DEAD))
        await deliver(death(OTHER))
        working = asyncio.create_task(workers.push_for_ever(runtime))
        try:
            async with asyncio.timeout(20):
                await called.wait()
                await post("NDX:an", f"/v1/agreements/{agreement}/suspend", {"reason": "an inquiry"})
                answered.set()
                while (await ask("GET", f"/subscriptions/{made}"))["next_attempt_at"] is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        assert len(receiver.got) == 1
        assert await states(ask, made) == [("DONE", 0), ("PENDING", 0)]

    async def test_an_event_that_cannot_be_opened_keeps_no_other_webhook_from_its_own(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, session: Any
    ):
        bad, good = await hook(receiver.url), await hook(receiver.url)
        await deliver(death())
        broken = text("UPDATE feed_events SET sealed = 'sealed by nobody' WHERE subscription_id = :of")
        await session.execute(broken, {"of": UUID(bad)})
        await session.commit()
        found = await pushing.exchange(runtime, new_id(), (), [UUID(bad), UUID(good)])
        assert [errand.subscription for errand in found.errands] == [UUID(good)]

    async def test_successive_events_go_through_one_connection(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime
    ):
        await hook(receiver.url)
        ports, arrived = set(), asyncio.Semaphore(0)

        async def note(request: web.Request) -> web.Response:
            assert request.transport is not None
            ports.add(request.transport.get_extra_info("peername")[1])
            arrived.release()
            return web.Response()

        receiver.behave = note
        working = asyncio.create_task(workers.push_for_ever(runtime))
        try:
            async with asyncio.timeout(20):
                for version in range(3):
                    await deliver(death(version=version))
                    await arrived.acquire()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        assert len(ports) == 1

    async def test_who_ends_gives_back_what_had_no_answer(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime
    ):
        called = asyncio.Event()

        async def hang(_request: web.Request) -> web.Response:
            called.set()
            await asyncio.Event().wait()
            return web.Response()

        receiver.behave = hang
        made = await hook(receiver.url)
        await deliver(death())
        working = asyncio.create_task(workers.push_for_ever(runtime))
        async with asyncio.timeout(20):
            await called.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        receiver.behave = None
        await push(runtime, made)
        assert len(receiver.got) == 2
        assert len(set(receiver.ids)) == 1
