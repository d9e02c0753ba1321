"""Feeds by pull: what an agency gets, when it stops, and what citizens see of it."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from gateway.feeds import jobs
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import handle_together
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel
from ndx_contracts.events import (
    EventData,
    MatchJobEnded,
    PersonalIdCancelled,
    PersonChanged,
)
from ndx_contracts.events import envelope as ce
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .conftest import DEAD, FOLLOW, FOLLOW_ALL, GROUPS, OTHER, death

pytestmark = pytest.mark.integration
Do = Callable[..., Any]
TYPE = "population.person-deceased.v1"


def parcel(data: EventData) -> Parcel:
    headers = {ce.CE_ID: str(new_id()), ce.CE_TYPE: data.TYPE, ce.CE_TIME: datetime.now(UTC).isoformat()}
    return Parcel(topic=data.TOPIC, key=data.key, value=data.model_dump_json(), headers=headers)


class TestSubscribe:
    async def test_what_may_be_followed_is_listed_with_what_an_agreement_must_grant(self, ask: Do, bus: Any):
        items = {one["type"]: one for one in (await ask("GET", "/event-types"))["items"]}
        one = items[TYPE]
        assert one["operation"] == FOLLOW
        assert one["operation_for_everybody"] == FOLLOW_ALL
        assert one["members"]["died_on"] == "death_or_missing_date"
        assert "person_id" not in one["json_schema"]["properties"]

    async def test_the_agreement_must_grant_it(self, subscribe: Do, enact: Do):
        narrow = await enact({FOLLOW: GROUPS})
        refused = await subscribe(403, agreement=narrow, people="EVERYBODY")
        assert refused["code"] == "feed-not-covered"
        assert FOLLOW_ALL in refused["detail"]

    @pytest.mark.parametrize(
        ("change", "status", "code"),
        [
            ({"agreement": "DSA-B01-9"}, 403, "no-agreement"),
            ({"purpose": "STATISTICS"}, 403, "purpose-not-covered"),
            ({"event_types": ["population.person-married.v1"]}, 422, "feed-event-type-unknown"),
            ({"event_types": ["population.person-changed.v1"]}, 403, "feed-not-covered"),
            ({"delivery": "PUSH"}, 422, "invalid-input"),
        ],
    )
    async def test_refusals(self, subscribe: Do, change: Any, status: int, code: str):
        assert (await subscribe(status, **change))["code"] == code

    async def test_another_agencys_agreement_is_none(self, ask: Do, agreement: str, hospital: Any):
        body = {"agreement": agreement, "purpose": "CREDIT_INSTITUTION_KYC", "event_types": [TYPE]}
        refused = await ask("POST", "/subscriptions", body, 403, agency="H79.001")
        assert refused["code"] == "no-agreement"

    async def test_an_agreement_that_asks_for_the_officer_gets_one(self, subscribe: Do, enact: Do):
        strict = await enact({FOLLOW: GROUPS}, conditions={"officer_required": True})
        assert (await subscribe(400, agreement=strict))["code"] == "officer-missing"
        await subscribe(agreement=strict, officer="nv-12")

    async def test_consent_cannot_be_shown_by_a_feed(self, subscribe: Do, enact: Do):
        asks = await enact({FOLLOW: GROUPS}, conditions={"consent_required": True})
        assert (await subscribe(403, agreement=asks))["code"] == "feed-not-covered"

    async def test_others_do_not_see_it(self, ask: Do, feed: str, hospital: Any):
        for path in ("", "/events", "/event-states", "/attempts"):
            refused = await ask("GET", f"/subscriptions/{feed}{path}", None, 404, agency="H79.001")
            assert refused["code"] == "feed-subscription-not-found"
        assert (await ask("GET", "/subscriptions", agency="H79.001"))["items"] == []

    async def test_how_many_one_agency_may_have_is_bounded(
        self, subscribe: Do, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(
            runtime, "settings", runtime.settings.model_copy(update={"feeds_most_subscriptions": 1})
        )
        await subscribe()
        assert (await subscribe(409))["code"] == "feed-limit-reached"

    async def test_several_at_once_do_not_pass_the_bound(
        self, subscribe: Do, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ):
        few = runtime.settings.model_copy(update={"feeds_most_subscriptions": 2})
        monkeypatch.setattr(runtime, "settings", few)
        made = await asyncio.gather(*(subscribe() for _ in range(5)), return_exceptions=True)
        assert sum(isinstance(one, str) for one in made) == 2


class TestAddressed:
    async def test_the_end_of_a_match_job_reaches_the_agency_that_sent_it_and_leaves_no_record(
        self, subscribe: Do, enact: Do, ask: Do, deliver: Do, disclosed: Do, says_nothing: None
    ):
        # The agreement covers one province only: a job of one's own lies in none.
        narrow = await enact(
            {"population.follow_match_job_ended": ["personal_id"]}, admin_scope={"provinces": ["01"]}
        )
        feed = await subscribe(agreement=narrow, event_types=[MatchJobEnded.TYPE])
        feed = feed["id"] if isinstance(feed, dict) else feed
        for agency in ("B02", "B01"):
            await deliver(
                MatchJobEnded(
                    job_id=new_id(),
                    agency=agency,
                    state="FINISHED",
                    lines=7,
                    result_parts=1,
                    cases_opened=2,
                    cases_known=0,
                )
            )
        (one,) = (await ask("GET", f"/subscriptions/{feed}/events"))["items"]
        assert (one["type"], one["data"]["state"], one["data"]["lines"]) == (
            MatchJobEnded.TYPE,
            "FINISHED",
            7,
        )
        assert "agency" not in one["data"]
        assert await disclosed() == []


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


class TestInterest:
    @pytest.mark.usefixtures("says_nothing")
    async def test_what_waits_is_withheld_when_interest_ends(self, feed: str, ask: Do, deliver: Do):
        await deliver(death())
        removed = await ask(
            "POST", f"/subscriptions/{feed}/interest-removals", {"personal_ids": [DEAD, OTHER]}
        )
        assert removed == {"people_of_interest": 0, "removed": 1}
        assert (await ask("GET", f"/subscriptions/{feed}/events"))["items"] == []
        states = await ask("GET", f"/subscriptions/{feed}/event-states")
        assert [one["state"] for one in states["items"]] == ["WITHHELD"]

    async def test_it_follows_a_person_to_a_new_number(self, feed: str, ask: Do, deliver: Do):
        new = "079190000038"
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=DEAD, superseded_by=new))
        await deliver(death(new))
        items = (await ask("GET", f"/subscriptions/{feed}/events"))["items"]
        assert [(one["data"]["personal_id"], one["reference"]) for one in items] == [(new, "KH-4711")]

    async def test_a_limit_holds(self, feed: str, ask: Do, runtime: Runtime, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update={"feeds_most_people": 1}))
        more = {"people": [{"personal_id": OTHER}]}
        refused = await ask("POST", f"/subscriptions/{feed}/interests", more, 409)
        assert refused["code"] == "feed-limit-reached"

    async def test_the_tables_hold_nobodys_number(self, feed: str, deliver: Do, session: AsyncSession):
        await deliver(death())
        for table in ("feed_subscriptions", "feed_interests", "feed_events", "audit_entries"):
            whole = text(f"SELECT t::text FROM {table} t")  # noqa: S608 - one of our table names
            rows = (await session.scalars(whole)).all()
            assert rows
            assert DEAD not in "".join(rows)
            assert DEAD.encode().hex() not in "".join(rows)
            assert "KH-4711" not in "".join(rows)


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


class TestEnd:
    async def test_a_suspended_agreement_holds_the_feed_at_once_and_nothing_is_lost(
        self, feed: str, agreement: str, ask: Do, deliver: Do, post: Do
    ):
        why = {"reason": "an inquiry"}
        await deliver(death())
        await post("NDX:an", f"/v1/agreements/{agreement}/suspend", why)
        refused = await ask("GET", f"/subscriptions/{feed}/events", None, 403)
        assert refused["code"] == "agreement-suspended"
        assert (await ask("GET", f"/subscriptions/{feed}"))["held_by"] == "agreement-suspended"
        await post("NDX:an", f"/v1/agreements/{agreement}/resume", why)
        assert len((await ask("GET", f"/subscriptions/{feed}/events"))["items"]) == 1

    async def test_a_suspended_agency_gets_nothing(self, feed: str, ask: Do, deliver: Do, post: Do):
        await deliver(death())
        await post("NDX:an", "/v1/agencies/B01/suspend", {"reason": "an inquiry"})
        refused = await ask("GET", f"/subscriptions/{feed}/events", None, 403)
        assert refused["code"] == "agency-suspended"

    async def test_it_ends_with_its_agreement_and_people_and_contents_are_erased(
        self, feed: str, agreement: str, ask: Do, deliver: Do, post: Do, runtime: Runtime, session: Any
    ):
        await deliver(death())
        await post("NDX:an", f"/v1/agreements/{agreement}/terminate", {"reason": "over"})
        assert (await ask("GET", f"/subscriptions/{feed}/events", None, 403))["code"] == "no-agreement"
        await jobs.end_orphans(runtime)
        shown = await ask("GET", f"/subscriptions/{feed}")
        assert (shown["state"], shown["state_reason"]) == ("ENDED", "agreement-ended")
        assert shown["people_of_interest"] == 0
        assert await session.scalar(text("SELECT count(*) FROM feed_events WHERE sealed IS NOT NULL")) == 0

    async def test_it_ends_with_its_agency(self, feed: str, ask: Do, post: Do):
        closed = await post("NDX:an", "/v1/agencies/B01/close", {"reason": "merged into another bank"})
        assert closed["feed_subscriptions"] == [feed]
        shown = await ask("GET", f"/subscriptions/{feed}")
        assert (shown["state"], shown["state_reason"]) == ("ENDED", "agency-closed")
        assert shown["people_of_interest"] == 0

    async def test_what_goes_on_is_left_alone(self, feed: str, ask: Do, runtime: Runtime):
        await jobs.end_orphans(runtime)
        assert (await ask("GET", f"/subscriptions/{feed}"))["state"] == "ACTIVE"

    async def test_an_agency_ends_its_own(self, feed: str, ask: Do):
        assert (await ask("POST", f"/subscriptions/{feed}/end"))["state"] == "ENDED"
        refused = await ask("POST", f"/subscriptions/{feed}/resume", None, 409)
        assert refused["code"] == "feed-step-refused"
        people = {"people": [{"personal_id": OTHER}]}
        assert (await ask("POST", f"/subscriptions/{feed}/interests", people, 409))["code"]

    async def test_narrower_terms_hold_for_what_waits_already(
        self, feed: str, agreement: str, ask: Do, deliver: Do, runtime: Runtime
    ):
        await deliver(death())
        async with runtime.sessions() as session, session.begin():
            row = await session.scalar(
                text("SELECT terms FROM data_sharing_agreements WHERE agreement_id = :id"), {"id": agreement}
            )
            row["operations"] = [{"operation": FOLLOW, "field_groups": ["death_or_missing_date"]}]
            await session.execute(
                text("UPDATE data_sharing_agreements SET terms = CAST(:t AS jsonb) WHERE agreement_id = :id"),
                {"t": json.dumps(row), "id": agreement},
            )
        items = (await ask("GET", f"/subscriptions/{feed}/events"))["items"]
        assert [one["data"] for one in items] == [{"died_on": "2026-11-20"}]


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
