"""Subscriptions to feeds: who may have one, about whom, and what ends it."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from gateway.feeds import jobs
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.events import (
    MatchJobEnded,
    PersonalIdCancelled,
)
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from .conftest import DEAD, FOLLOW, FOLLOW_ALL, GROUPS, OTHER, TYPE, death

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


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
