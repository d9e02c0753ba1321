"""Feeds by pull: what an agency gets and what citizens see of it."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import handle_together
from ndx_chassis.ids import new_id
from ndx_contracts.events import (
    EventData,
    PersonChanged,
)
from ndx_contracts.events import envelope as ce

from .conftest import DEAD, FOLLOW, FOLLOW_ALL, GROUPS, OTHER, TYPE, death, parcel

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestPull:
    async def test_a_death_arrives_with_the_agencys_own_reference(self, feed: str, ask: Do, deliver: Do):
        event_id = new_id()
        await deliver(death(), event_id=event_id)
        page = await ask("GET", f"/subscriptions/{feed}/events")
        assert [one["id"] for one in page["items"]] == [str(event_id)]
        one = page["items"][0]
        assert one["reference"] == "KH-4711"
        assert one["data"] == {
            "personal_id": DEAD,
            "died_on": "2026-11-20",
            "province_code": "79",
            "commune_code": "79001",
        }
        assert (await ask("GET", f"/subscriptions/{feed}/attempts"))["items"] == []
        # Not acknowledged: it comes again, the same.
        assert (await ask("GET", f"/subscriptions/{feed}/events"))["items"] == page["items"]
        ack = await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": page["next_cursor"]})
        assert ack["waiting"] == 0

    @pytest.mark.usefixtures("says_nothing")
    async def test_people_of_no_interest_do_not_arrive(self, feed: str, ask: Do, deliver: Do):
        await deliver(death(OTHER))
        assert (await ask("GET", f"/subscriptions/{feed}/events"))["items"] == []

    @pytest.mark.usefixtures("says_nothing")
    async def test_what_was_acknowledged_does_not_come_again(self, feed: str, ask: Do, deliver: Do):
        await deliver(death())
        page = await ask("GET", f"/subscriptions/{feed}/events")
        for _ in range(2):
            await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": page["next_cursor"]})
        assert (await ask("GET", f"/subscriptions/{feed}/events"))["items"] == []

    async def test_what_was_not_given_cannot_be_acknowledged(self, feed: str, ask: Do, deliver: Do):
        await deliver(death())
        refused = await ask("POST", f"/subscriptions/{feed}/acks", {"cursor": "1"}, 400)
        assert refused["code"] == "feed-cursor-invalid"

    async def test_pages_follow_in_the_order_of_a_persons_events(
        self, subscribe: Do, ask: Do, enact: Do, runtime: Runtime, bank: str, app: Any
    ):
        wide = await enact(
            {
                "population.follow_every_person_changed": ["permanent_residence", "personal_id"],
                FOLLOW_ALL: GROUPS,
            }
        )
        made = await subscribe(
            agreement=wide, people="EVERYBODY", event_types=["population.person-changed.v1", TYPE]
        )
        happened: list[EventData] = []
        for n in range(8):
            moved = PersonChanged(
                person_id=new_id(), personal_id=DEAD, version=n, changed=("permanent_residence",)
            )
            happened.append(death(version=n) if n == 3 else moved)
        topic = next(s for s in app.state.spec.subscriptions if s.topic == moved.TOPIC)
        # One fetch with both types mixed.
        parcels = [parcel(one) for one in happened]
        await handle_together(runtime, topic, parcels)
        got: list[str] = []
        more = True
        while more:
            page = await ask("GET", f"/subscriptions/{made}/events", limit=3)
            got += [one["id"] for one in page["items"]]
            await ask("POST", f"/subscriptions/{made}/acks", {"cursor": page["next_cursor"]})
            more = page["more"]
        assert got == [one.headers[ce.CE_ID] for one in parcels]

    async def test_a_long_poll_is_answered_when_something_comes(self, feed: str, ask: Do, deliver: Do):
        asked = asyncio.create_task(ask("GET", f"/subscriptions/{feed}/events", wait=10))
        await asyncio.sleep(0.3)
        assert not asked.done()
        await deliver(death())
        assert len((await asked)["items"]) == 1

    async def test_a_paused_feed_keeps_what_comes(self, feed: str, ask: Do, deliver: Do):
        await ask("POST", f"/subscriptions/{feed}/pause")
        await deliver(death())
        refused = await ask("GET", f"/subscriptions/{feed}/events", None, 409)
        assert refused["code"] == "feed-step-refused"
        shown = await ask("POST", f"/subscriptions/{feed}/resume")
        assert (shown["state"], shown["waiting"], shown["people_of_interest"]) == ("ACTIVE", 1, 1)
        assert len((await ask("GET", f"/subscriptions/{feed}/events"))["items"]) == 1

    @pytest.mark.usefixtures("says_nothing")
    async def test_the_administrative_scope_decides(
        self, subscribe: Do, ask: Do, enact: Do, deliver: Do, bank: str
    ):
        south = await enact({FOLLOW_ALL: GROUPS}, admin_scope={"provinces": ["79"], "communes": []})
        made = await subscribe(agreement=south, people="EVERYBODY")
        await deliver(death(province="01"))
        await deliver(death(province=None))
        assert (await ask("GET", f"/subscriptions/{made}/events"))["items"] == []
        await deliver(death(OTHER, province="79"))
        assert len((await ask("GET", f"/subscriptions/{made}/events"))["items"]) == 1


class TestAccountability:
    async def test_each_delivery_leaves_a_record_with_purpose_and_agreement(
        self, feed: str, agreement: str, ask: Do, deliver: Do, disclosed: Do
    ):
        await deliver(death())
        assert await disclosed() == []
        await ask("GET", f"/subscriptions/{feed}/events")
        records = await disclosed()
        assert len(records) == 1
        one = records[0]
        assert one["subjects"] == [DEAD]
        assert (one["agency"], one["system"], one["agreement"]) == ("B01", "core", agreement)
        assert (one["purpose"], one["operation"]) == ("CREDIT_INSTITUTION_KYC", FOLLOW)
        assert one["agreement_version"] == 1
        assert set(one["field_groups"]) == set(GROUPS)
        assert one["outcome"] == "DISCLOSED"
