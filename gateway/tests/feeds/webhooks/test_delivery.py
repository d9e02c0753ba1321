"""An event arrives once, signed, with its record; webhooks do not keep each other waiting."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from gateway.feeds import pushing, workers
from gateway.feeds.calling import TAG
from gateway.feeds.desk import desk_of
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.signatures import keys_of, verify
from sqlalchemy import text

from ..conftest import DEAD, FOLLOW, GROUPS, death
from ..receivers import Receiver, let_time_pass, push, receiving
from .conftest import states

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestDelivery:
    async def test_an_event_arrives_signed_by_the_exchange_under_its_own_certificate(
        self, receiver: Receiver, hook: Do, ask: Do, deliver: Do, runtime: Runtime, disclosed: Do
    ):
        made, event_id = await hook(receiver.url), new_id()
        await deliver(death(), event_id=event_id)
        assert await disclosed() == []
        await push(runtime, made)
        (event,) = receiver.got
        assert (event["id"], event["type"]) == (str(event_id), "population.person-deceased.v1")
        assert event["data"]["died_on"] == "2026-11-20"
        keys = keys_of(await ask("GET", "/signing-keys"))
        assert verify(receiver.requests[0], keys, tag=TAG) in keys
        names = [value for kind, value in receiver.callers[0]["subjectAltName"] if kind == "URI"]
        assert names == ["urn:ndx:gateway:webhooks"]
        assert await states(ask, made) == [("DONE", 0)]
        (attempt,) = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert (attempt["status"], attempt["error"], attempt["delivered"]) == (204, None, True)
        (record,) = await disclosed()
        assert (record["subjects"], record["agency"], record["system"]) == ([DEAD], "B01", "core")

    async def test_the_record_is_there_before_the_event_leaves(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do
    ):
        made, seen = await hook(receiver.url), []

        async def look(_request: web.Request) -> web.Response:
            seen.append(len(await disclosed()))
            return web.Response()

        receiver.behave = look
        await deliver(death())
        await push(runtime, made)
        assert seen == [1]

    async def test_a_repeated_attempt_leaves_no_second_record_and_keeps_the_events_id(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do, ask: Do
    ):
        made = await hook(receiver.url)

        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=503, headers={"Retry-After": "120"})

        receiver.behave = busy
        await deliver(death())
        await push(runtime, made)
        shown = await ask("GET", f"/subscriptions/{made}")
        wait = datetime.fromisoformat(shown["next_attempt_at"]) - datetime.now(UTC)
        assert wait > timedelta(seconds=100)
        receiver.behave = None
        await let_time_pass(runtime)
        await push(runtime, made)
        assert len(receiver.ids) == 2
        assert len(set(receiver.ids)) == 1
        assert receiver.looks == 1
        assert len(await disclosed()) == 1
        assert (await ask("GET", f"/subscriptions/{made}"))["failures"] == 0

    async def test_a_repeated_attempt_gives_no_more_than_its_record_says(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do, session: Any
    ):
        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=503)

        async def agree(groups: list[str]) -> None:
            change = text(
                "UPDATE data_sharing_agreements"
                " SET terms = jsonb_set(terms, '{operations}', CAST(:o AS jsonb))"
            )
            operations = json.dumps([{"operation": FOLLOW, "field_groups": groups}])
            await session.execute(change, {"o": operations})
            await session.commit()

        made = await hook(receiver.url)
        await deliver(death())
        receiver.behave = busy
        await agree(["death_or_missing_date"])
        await push(runtime, made)
        receiver.behave = None
        await agree(GROUPS)
        await let_time_pass(runtime)
        await push(runtime, made)
        assert [one["data"] for one in receiver.got] == [{"died_on": "2026-11-20"}] * 2
        (record,) = await disclosed()
        assert record["field_groups"] == ["death_or_missing_date"]

    async def test_a_crash_in_the_middle_of_a_call_repeats_the_event_and_not_the_record(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do
    ):
        made = await hook(receiver.url)
        await deliver(death())
        (errand,) = (await pushing.exchange(runtime, new_id(), (), [UUID(made)])).errands
        assert errand.parcel is not None
        # The process dies here. Nobody else takes the event meanwhile; later it is tried again.
        await push(runtime, made)
        assert receiver.got == []
        await let_time_pass(runtime)
        await push(runtime, made)
        assert receiver.ids == [str(event_id) for _, event_id in errand.parcel.events]
        assert len(await disclosed()) == 1

    async def test_ping_sends_an_event_about_nobody_and_says_what_came_back(
        self, receiver: Receiver, hook: Do, ask: Do, disclosed: Do
    ):
        made = await hook(receiver.url)
        pinged = await ask("POST", f"/subscriptions/{made}/pings")
        assert (pinged["status"], pinged["delivered"]) == (204, True)
        assert [one["type"] for one in receiver.got] == ["ndx.feed-ping.v1"]
        assert len((await ask("GET", f"/subscriptions/{made}/attempts"))["items"]) == 1
        assert await disclosed() == []

    async def test_webhooks_of_another_agency_that_hang_do_not_keep_it_waiting(
        self, receiver: Receiver, hook: Do, ask: Do, runtime: Runtime
    ):
        made = await hook(receiver.url)
        places = desk_of(runtime).pings("G01")
        while not places.locked():
            await places.acquire()
        async with asyncio.timeout(10):
            assert (await ask("POST", f"/subscriptions/{made}/pings"))["delivered"]

    async def test_a_pull_subscription_has_no_webhook(self, feed: str, ask: Do, hook: Do, receiver: Receiver):
        refused = await ask("POST", f"/subscriptions/{feed}/pings", None, 409)
        assert refused["code"] == "feed-delivery-mismatch"
        refused = await ask("GET", f"/subscriptions/{await hook(receiver.url)}/events", None, 409)
        assert refused["code"] == "feed-delivery-mismatch"

    async def test_a_suspended_agreement_stops_it_at_once(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, post: Do, agreement: str
    ):
        made = await hook(receiver.url)
        await deliver(death())
        await post("NDX:an", f"/v1/agreements/{agreement}/suspend", {"reason": "an inquiry"})
        await push(runtime, made)
        assert receiver.got == []
        await post("NDX:an", f"/v1/agreements/{agreement}/resume", {"reason": "settled"})
        await let_time_pass(runtime)
        await push(runtime, made)
        assert len(receiver.got) == 1


class TestFairness:
    async def test_one_that_hangs_does_not_delay_one_that_works(
        self, tmp_path: Path, state_dir: Path, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime
    ):
        async with receiving(tmp_path, state_dir, "hanging") as hanging:
            asked, released = asyncio.Event(), asyncio.Event()

            async def hang(_request: web.Request) -> web.Response:
                asked.set()
                await released.wait()
                return web.Response(status=503)

            arrived = asyncio.Semaphore(0)

            async def take(_request: web.Request) -> web.Response:
                arrived.release()
                return web.Response()

            hanging.behave, receiver.behave = hang, take
            identity = desk_of(runtime).identity
            object.__setattr__(identity, "seconds", 60.0)
            await hook(hanging.url)
            await hook(receiver.url)
            working = asyncio.create_task(workers.push_for_ever(runtime))
            try:
                for version in range(5):
                    await deliver(death(version=version))
                async with asyncio.timeout(20):
                    await asked.wait()
                async with asyncio.timeout(20):
                    for _ in range(5):
                        await arrived.acquire()
                # The other one still hangs in its first call.
                assert len(hanging.got) == 1
                assert not released.is_set()
            finally:
                released.set()
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
