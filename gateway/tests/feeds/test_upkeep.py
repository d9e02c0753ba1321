"""Feeds over time: what is erased, what operators see and do, what is measured."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.feeds import jobs
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import handle_together
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .conftest import DEAD, death, parcel

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestErasure:
    @pytest.mark.usefixtures("says_nothing")
    async def test_contents_go_on_time_and_rows_much_later(
        self, feed: str, ask: Do, deliver: Do, runtime: Runtime, session: AsyncSession
    ):
        await deliver(death())
        page = await ask("GET", f"/subscriptions/{feed}/events")
        await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": page["next_cursor"]})
        await deliver(death())
        now = datetime.now(UTC)
        contents = text("SELECT state, sealed IS NULL FROM feed_events ORDER BY position")

        async def rows(days: float) -> list[tuple[str, bool]]:
            await jobs.erase_at(runtime, now + timedelta(days=days))
            await session.rollback()
            return [tuple(row) for row in await session.execute(contents)]

        assert await rows(6.9) == [("DONE", False), ("PENDING", False)]
        assert await rows(7.1) == [("DONE", True), ("PENDING", False)]
        assert await rows(30.1) == [("DONE", True), ("EXPIRED", True)]
        assert (await ask("GET", f"/subscriptions/{feed}"))["expired"] == 1
        assert await rows(90.1) == []
        await jobs.erase(runtime)

    async def test_what_is_kept_can_be_given_again_from_a_time(
        self, feed: str, ask: Do, deliver: Do, disclosed: Do
    ):
        start = datetime.now(UTC)
        await deliver(death())
        page = await ask("GET", f"/subscriptions/{feed}/events")
        await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": page["next_cursor"]})
        future = {"since": (start + timedelta(hours=1)).isoformat()}
        assert (await ask("POST", f"/subscriptions/{feed}/replays", future))["replayed"] == 0
        again = await ask("POST", f"/subscriptions/{feed}/replays", {"since": start.isoformat()})
        assert again == {"replayed": 1}
        # An old word about the same cursor does not swallow it.
        await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": page["next_cursor"]})
        assert (await ask("GET", f"/subscriptions/{feed}/events"))["items"] == page["items"]
        assert len(await disclosed()) == 2


class TestOperators:
    async def test_they_see_states_and_never_contents(self, feed: str, read: Do, deliver: Do, ask: Do):
        await deliver(death())
        listed = (await read("NDX:an", "/v1/feed-subscriptions?agency=B01"))["items"]
        assert [(one["id"], one["waiting"]) for one in listed] == [(feed, 1)]
        assert (await read("NDX:an", f"/v1/feed-subscriptions/{feed}"))["agency"] == "B01"
        states = await read("NDX:an", f"/v1/feed-subscriptions/{feed}/event-states?state=PENDING")
        assert DEAD not in json.dumps(states)
        assert (await read("NDX:an", f"/v1/feed-subscriptions/{feed}/attempts"))["items"] == []

    async def test_they_suspend_and_release(self, feed: str, post: Do, ask: Do, read: Do):
        why = {"reason": "sends nothing but errors"}
        url = f"/v1/feed-subscriptions/{feed}"
        assert (await post("G01:chi", f"{url}/suspend", why, 403))["code"] == "role-missing"
        await post("NDX:an", f"{url}/suspend", why)
        refused = await ask("POST", f"/subscriptions/{feed}/resume", None, 409)
        assert refused["code"] == "feed-step-refused"
        await post("NDX:an", f"{url}/release", why)
        await ask("POST", f"/subscriptions/{feed}/resume")

    async def test_they_let_events_be_given_again(self, feed: str, post: Do, deliver: Do, ask: Do):
        start = datetime.now(UTC).isoformat()
        await deliver(death())
        page = await ask("GET", f"/subscriptions/{feed}/events")
        await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": page["next_cursor"]})
        again = await post("NDX:an", f"/v1/feed-subscriptions/{feed}/replays", {"since": start})
        assert again == {"replayed": 1}


class TestMetrics:
    async def test_the_page_shows_how_much_waits_and_nobody(self, feed: str, deliver: Do, client: Any):
        await deliver(death())
        page = (await client.get("/metrics")).text
        assert 'ndx_feed_events{ndx_feed_delivery="PULL",ndx_feed_state="PENDING"} 1.0' in page
        assert 'ndx_feed_lag_seconds{ndx_feed_delivery="PULL"}' in page
        assert "ndx_feed_webhooks_failing 0.0" in page
        assert DEAD not in page


class TestMissingKey:
    async def test_events_wait_in_the_inbox_and_calls_say_so(
        self, feed: str, ask: Do, runtime: Runtime, app: Any
    ):
        runtime.extras["feeds"].key = None
        topic = next(s for s in app.state.spec.subscriptions if s.topic == death().TOPIC)
        await handle_together(runtime, topic, [parcel(death())])
        async with runtime.sessions() as session:
            waiting = await session.execute(text("SELECT state, error FROM inbox WHERE state <> 'DONE'"))
            assert [tuple(row) for row in waiting] == [("WAITING", "unavailable:feed-unavailable")]
        refused = await ask("GET", f"/subscriptions/{feed}/events", None, 503)
        assert refused["code"] == "feed-unavailable"
