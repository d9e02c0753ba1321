"""Births, deaths and changes as they arrive: twice, out of order, with the population database away."""

import asyncio
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Subscription, handle_or_park, handle_together
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel, retry_due
from ndx_contracts.events import BirthRegistered, PersonChanged
from ndx_contracts.events import envelope as ce
from ndx_testing.gateway import RecordingGateway
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

CHILD = "079226000017"
Make = Callable[..., Any]


async def rows(session: AsyncSession, table: str) -> list[dict[str, Any]]:
    found = await session.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - table names of this file
    return [dict(row._mapping) for row in found]


def parcel(data: BirthRegistered) -> Parcel:
    headers = {ce.CE_ID: str(new_id()), ce.CE_TYPE: data.TYPE, ce.CE_SUBJECT: data.key}
    return Parcel(topic=data.TOPIC, key=data.key, value=data.model_dump_json(), headers=headers)


def births_of(runtime: Runtime, app: Any) -> list[Subscription]:
    return [s for s in app.state.spec.subscriptions if s.topic == BirthRegistered.TOPIC]


SIBLINGS = [f"0792260001{n:02}" for n in range(40)]


def newborn(name: str = "Hòa", birth_date: str = "2026-11-20") -> dict[str, Any]:
    return {"name": ("Nguyễn", "Minh", name), "birth_date": birth_date, "sex": "MALE"}


class TestManyBirths:
    async def test_each_child_of_a_fetch_is_opened_once_also_when_it_comes_again(
        self, people: Any, birth: Make, emitted: Make, app: Any, runtime: Runtime, session: AsyncSession
    ) -> None:
        people.update({number: newborn(f"Hòa {number}") for number in SIBLINGS})
        parcels = [parcel(birth(number)) for number in SIBLINGS]
        (subscription,) = births_of(runtime, app)
        await handle_together(runtime, subscription, parcels)
        await handle_together(runtime, subscription, [*parcels, parcel(birth(SIBLINGS[0])), parcel(birth())])
        opened = [e["data"]["personal_id"] for e in await emitted()]
        assert sorted(opened) == sorted([*SIBLINGS, CHILD])
        names = {row["personal_id"]: row["name"] for row in await rows(session, "participants")}
        assert names[SIBLINGS[7]] == f"Nguyễn Minh Hòa {SIBLINGS[7]}"

    async def test_one_whom_nobody_knows_waits_and_the_others_are_opened(
        self, people: Any, birth: Make, emitted: Make, app: Any, runtime: Runtime, session: AsyncSession
    ) -> None:
        people.update({number: newborn() for number in SIBLINGS[:4]})
        (subscription,) = births_of(runtime, app)
        await handle_together(runtime, subscription, [parcel(birth(number)) for number in SIBLINGS[:5]])
        opened = [e["data"]["personal_id"] for e in await emitted()]
        assert sorted(opened) == SIBLINGS[:4]
        assert [row["state"] for row in await rows(session, "inbox")].count("WAITING") == 1

    async def test_each_follows_its_own_rule_and_its_own_death(
        self,
        people: Any,
        birth: Make,
        death: Make,
        deliver: Make,
        emitted: Make,
        app: Any,
        runtime: Runtime,
    ) -> None:
        first, dead, grown = SIBLINGS[:3]
        people.update({first: newborn(), dead: newborn(), grown: newborn(birth_date="2012-01-05")})
        await deliver(death(date(2026, 11, 22), dead))
        (subscription,) = births_of(runtime, app)
        await handle_together(runtime, subscription, [parcel(birth(n)) for n in (first, dead, grown)])
        told = sorted((e["type"], e["data"]["personal_id"]) for e in await emitted())
        assert told == [
            ("insurance.entitlement-ended.v1", dead),
            ("insurance.entitlement-opened.v1", first),
            ("insurance.entitlement-opened.v1", dead),
        ]


class TestBirth:
    async def test_a_birth_opens_an_entitlement_from_the_birth_date(
        self, people: Any, deliver: Make, birth: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        assert [(e["type"], e["data"]["personal_id"]) for e in await emitted()] == [
            ("insurance.entitlement-opened.v1", CHILD)
        ]
        (held,) = await rows(session, "entitlements")
        assert (held["valid_from"], held["valid_to"]) == (date(2026, 11, 20), date(2032, 11, 20))
        (participant,) = await rows(session, "participants")
        assert participant["name"] == "Nguyễn Minh Hòa"
        actions = {row["action"] for row in await rows(session, "audit_entries")}
        assert actions == {"participant_taken_over", "entitlement_opened"}

    async def test_only_the_agreed_and_needed_fields_are_asked_for(
        self, people: Any, gateway: RecordingGateway, deliver: Make, birth: Make
    ) -> None:
        await deliver(birth())
        (call,) = gateway.calls
        assert call.purpose == "SOCIAL_INSURANCE"
        assert call.params == {"fields": "personal_id,birth_name,birth_date,sex"}

    async def test_the_same_birth_announced_by_two_events_opens_once(
        self, people: Any, deliver: Make, birth: Make, emitted: Make
    ) -> None:
        await asyncio.gather(deliver(birth()), deliver(birth()))
        await deliver(birth())
        assert len(await emitted()) == 1

    async def test_a_birth_registered_after_school_age_opens_nothing(
        self, people: Any, deliver: Make, birth: Make, emitted: Make, session: AsyncSession
    ) -> None:
        people[CHILD]["birth_date"] = "2012-01-05"
        await deliver(birth())
        assert await emitted() == []
        assert len(await rows(session, "participants")) == 1

    @pytest.mark.parametrize("trouble", ["away", "unknown-person", "unusable"])
    async def test_trouble_at_the_source_leaves_nothing_behind_and_is_retried(
        self,
        trouble: str,
        people: Any,
        gateway: RecordingGateway,
        runtime: Runtime,
        app: Any,
        birth: Make,
        emitted: Make,
        session: AsyncSession,
    ) -> None:
        person = dict(people[CHILD])
        if trouble == "away":
            gateway.unavailable()
        elif trouble == "unknown-person":
            answer = gateway._answers["GET", "/population/v1/persons/{personal_id}"]
            gateway.answers(
                "GET", "/population/v1/persons/{personal_id}", json={"code": "person-not-found"}, status=404
            )
        else:
            people[CHILD]["birth_date"] = "soon"
        (subscription,) = births_of(runtime, app)
        await handle_or_park(runtime, subscription, parcel(birth()))
        assert await rows(session, "participants") == []
        assert [row["state"] for row in await rows(session, "inbox")] == ["WAITING"]
        await session.rollback()

        gateway.available()
        people[CHILD] = person
        if trouble == "unknown-person":
            gateway._answers["GET", "/population/v1/persons/{personal_id}"] = answer
        await session.execute(text("UPDATE inbox SET next_attempt_at = clock_timestamp()"))
        await session.commit()
        assert await retry_due(runtime, [subscription]) == 1
        assert len(await emitted()) == 1
        assert [row["state"] for row in await rows(session, "inbox")] == ["DONE"]


class TestDeath:
    async def test_a_death_ends_what_runs(
        self, people: Any, deliver: Make, birth: Make, death: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        await deliver(death(date(2026, 11, 23)))
        await deliver(death(date(2026, 11, 23)))
        assert [e["type"] for e in await emitted()] == [
            "insurance.entitlement-opened.v1",
            "insurance.entitlement-ended.v1",
        ]
        (held,) = await rows(session, "entitlements")
        assert (held["ended_on"], held["end_cause"]) == (date(2026, 11, 23), "DEATH")

    async def test_a_death_heard_of_before_the_birth_ends_it_at_once(
        self, people: Any, deliver: Make, birth: Make, death: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await deliver(death(date(2026, 11, 23)))
        assert await emitted() == []
        await deliver(birth())
        assert [e["type"] for e in await emitted()] == [
            "insurance.entitlement-opened.v1",
            "insurance.entitlement-ended.v1",
        ]
        (held,) = await rows(session, "entitlements")
        assert held["ended_on"] == date(2026, 11, 23)

    async def test_birth_and_death_at_the_same_instant_leave_nothing_open(
        self, people: Any, deliver: Make, birth: Make, death: Make, session: AsyncSession
    ) -> None:
        for n in range(5):
            number = f"07922600010{n}"
            people[number] = people[CHILD]
            await asyncio.gather(deliver(birth(number)), deliver(death(date(2026, 11, 23), number)))
        held = await rows(session, "entitlements")
        assert [row["end_cause"] for row in held] == ["DEATH"] * 5

    async def test_the_death_of_somebody_unknown_changes_nothing(
        self, deliver: Make, death: Make, emitted: Make
    ) -> None:
        await deliver(death(date(2026, 11, 23), "001090000015"))
        assert await emitted() == []


class TestChange:
    def changed(self, *groups: str) -> PersonChanged:
        return PersonChanged(person_id=new_id(), personal_id=CHILD, version=2, changed=groups)

    async def test_a_corrected_birth_date_moves_the_interval(
        self, people: Any, deliver: Make, birth: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        people[CHILD]["birth_date"] = "2026-08-20"
        await deliver(self.changed("birth_date"))
        (held,) = await rows(session, "entitlements")
        assert (held["valid_from"], held["valid_to"]) == (date(2026, 8, 20), date(2032, 9, 30))
        assert [e["data"]["valid_from"] for e in await emitted()] == ["2026-11-20", "2026-08-20"]

    async def test_a_change_of_residence_is_none_of_our_business(
        self, people: Any, gateway: RecordingGateway, deliver: Make, birth: Make
    ) -> None:
        await deliver(birth())
        await deliver(self.changed("permanent_residence"))
        assert len(gateway.calls) == 1

    async def test_a_change_of_somebody_unknown_is_not_fetched(
        self, people: Any, gateway: RecordingGateway, deliver: Make
    ) -> None:
        await deliver(self.changed("birth_name"))
        assert gateway.calls == []

    async def test_the_birth_of_a_child_registered_late_counts_by_the_day_of_registration(
        self, people: Any, deliver: Make, birth: Make, emitted: Make
    ) -> None:
        people[CHILD]["birth_date"] = "2019-01-05"
        await deliver(birth(registered_at=datetime(2025, 9, 30, 16, tzinfo=UTC)))
        assert len(await emitted()) == 1
