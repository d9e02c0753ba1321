"""Births and deaths as they arrive: twice, out of order, with the population database away."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import handle_or_park, handle_together
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import Parcel, retry_due
from ndx_contracts.events import BirthRegistered
from ndx_contracts.events import envelope as ce
from ndx_testing.gateway import RecordingGateway
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

CHILD, MOTHER, FATHER = "079226000017", "079195000021", "079093000034"
Make = Callable[..., Any]


async def rows(session: AsyncSession, table: str) -> list[dict[str, Any]]:
    found = await session.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - table names of this file
    return [dict(row._mapping) for row in found]


async def payers(emitted: Make) -> list[tuple[str | None, str]]:
    counted = [e["data"] for e in await emitted() if e["type"] == "tax.dependant-registered.v1"]
    return [(d["taxpayer_personal_id"], d["from_month"]) for d in counted]


class TestSlowPopulation:
    async def test_nobody_waits_while_the_population_database_is_asked_about_a_birth(
        self,
        register: Make,
        deliver: Make,
        birth: Make,
        gateway: RecordingGateway,
        monkeypatch: pytest.MonkeyPatch,
        session: AsyncSession,
    ) -> None:
        await register(FATHER)
        quick = gateway.call

        async def slow(method: str, template: str, **options: Any) -> Any:
            if CHILD in str(options):
                # While it thinks about the child, the mother comes to the office.
                async with asyncio.timeout(30):
                    await register(MOTHER)
            return await quick(method, template, **options)

        monkeypatch.setattr(gateway, "call", slow)
        await deliver(birth(), times=1)
        # Who became a taxpayer meanwhile is the first to count the child.
        (child,) = await rows(session, "dependants")
        (claim,) = await rows(session, "claims")
        taxpayers = {row["id"]: row["personal_id"] for row in await rows(session, "taxpayers")}
        assert (child["personal_id"], taxpayers[claim["taxpayer_id"]]) == (CHILD, MOTHER)


class TestManyBirths:
    async def test_each_child_of_a_fetch_is_counted_with_its_own_parent(
        self,
        people: Any,
        register: Make,
        deliver: Make,
        birth: Make,
        death: Make,
        emitted: Make,
        app: Any,
        runtime: Runtime,
        session: AsyncSession,
    ) -> None:
        others = [f"0792260001{n:02}" for n in range(20)]
        people.update({n: {"name": ("Nguyễn", "Minh", n), "birth_date": "2026-11-20"} for n in others})
        await register(FATHER)
        await deliver(death(others[2], date(2026, 11, 22)))
        births = [
            birth(),
            birth(others[0], mother=None, father=None),
            *(birth(number, mother=None) for number in others[1:]),
        ]
        (subscription,) = (s for s in app.state.spec.subscriptions if s.topic == BirthRegistered.TOPIC)
        parcels = [
            Parcel(b.TOPIC, b.key, b.model_dump_json(), {ce.CE_ID: str(new_id()), ce.CE_TYPE: b.TYPE})
            for b in births
        ]
        for _ in range(2):
            await handle_together(runtime, subscription, parcels)
        told = [e["data"] for e in await emitted() if e["type"] == "tax.dependant-registered.v1"]
        counted = {d["dependant_personal_id"]: d["taxpayer_personal_id"] for d in told}
        assert len(told) == len(counted) == 21
        assert counted[others[0]] is None
        assert {counted[n] for n in (CHILD, *others[1:])} == {FATHER}
        states = {row["personal_id"]: row["state"] for row in await rows(session, "dependants")}
        assert (states[CHILD], states[others[0]], states[others[2]]) == ("CLAIMED", "UNCLAIMED", "CLOSED")
        assert len(await rows(session, "claims")) == 20


class TestBirth:
    async def test_a_child_is_counted_with_the_parent_who_is_a_taxpayer(
        self, register: Make, deliver: Make, birth: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await register(FATHER)
        await deliver(birth())
        assert await payers(emitted) == [(FATHER, "2026-11")]
        (dependant,) = await rows(session, "dependants")
        assert (dependant["state"], dependant["name"]) == ("CLAIMED", "Nguyễn Minh Hòa")
        (claim,) = await rows(session, "claims")
        assert (claim["from_month"], claim["to_month"]) == (date(2026, 11, 1), date(2044, 11, 1))

    async def test_of_two_taxpaying_parents_the_mother_is_first(
        self, register: Make, deliver: Make, birth: Make, emitted: Make
    ) -> None:
        await register(FATHER)
        await register(MOTHER)
        await deliver(birth())
        assert await payers(emitted) == [(MOTHER, "2026-11")]

    async def test_without_a_taxpaying_parent_the_child_waits_for_a_claim(
        self, deliver: Make, birth: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await deliver(birth())
        assert await payers(emitted) == [(None, "2026-11")]
        assert [d["state"] for d in await rows(session, "dependants")] == ["UNCLAIMED"]

    async def test_a_parent_whose_data_do_not_fit_is_no_payer_yet(
        self, register: Make, deliver: Make, birth: Make, emitted: Make
    ) -> None:
        await register(MOTHER, name="Trần Lành")
        await deliver(birth())
        assert await payers(emitted) == [(None, "2026-11")]

    async def test_the_same_birth_announced_by_two_events_registers_once(
        self, deliver: Make, birth: Make, emitted: Make
    ) -> None:
        await asyncio.gather(deliver(birth()), deliver(birth()))
        await deliver(birth())
        assert len(await emitted()) == 1

    async def test_who_is_of_age_at_a_late_registration_is_no_dependant(
        self, people: Any, deliver: Make, birth: Make, emitted: Make
    ) -> None:
        people[CHILD]["birth_date"] = "2008-10-31"
        await deliver(birth())
        assert await emitted() == []

    async def test_only_the_agreed_and_needed_fields_are_asked_for(
        self, deliver: Make, birth: Make, gateway: RecordingGateway
    ) -> None:
        await deliver(birth())
        (call,) = gateway.calls
        assert call.purpose == "TAX_ADMINISTRATION"
        assert call.params == {"fields": "personal_id,birth_name,birth_date"}

    async def test_population_away_leaves_nothing_behind_and_is_retried(
        self,
        gateway: RecordingGateway,
        runtime: Runtime,
        app: Any,
        birth: Make,
        emitted: Make,
        session: AsyncSession,
    ) -> None:
        gateway.unavailable()
        data = birth()
        headers = {ce.CE_ID: str(new_id()), ce.CE_TYPE: data.TYPE, ce.CE_SUBJECT: data.key}
        parcel = Parcel(topic=data.TOPIC, key=data.key, value=data.model_dump_json(), headers=headers)
        subscription = next(s for s in app.state.spec.subscriptions if s.topic == BirthRegistered.TOPIC)
        await handle_or_park(runtime, subscription, parcel)
        assert await rows(session, "dependants") == []
        assert [row["state"] for row in await rows(session, "inbox")] == ["WAITING"]
        await session.rollback()
        gateway.available()
        await session.execute(text("UPDATE inbox SET next_attempt_at = clock_timestamp()"))
        await session.commit()
        assert await retry_due(runtime, [subscription]) == 1
        await handle_or_park(runtime, subscription, parcel)
        assert len(await emitted()) == 1


class TestDeath:
    async def test_the_month_of_death_is_the_last_one_counted(
        self, register: Make, deliver: Make, birth: Make, death: Make, session: AsyncSession
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        await deliver(death(CHILD, date(2027, 2, 3)))
        (dependant,) = await rows(session, "dependants")
        (claim,) = await rows(session, "claims")
        assert (dependant["state"], claim["to_month"]) == ("CLOSED", date(2027, 2, 1))

    async def test_a_death_heard_of_before_the_birth_closes_at_once(
        self, register: Make, deliver: Make, birth: Make, death: Make, session: AsyncSession
    ) -> None:
        await register(MOTHER)
        await deliver(death(CHILD, date(2026, 11, 23)))
        await deliver(birth())
        (dependant,) = await rows(session, "dependants")
        (claim,) = await rows(session, "claims")
        assert (dependant["state"], claim["to_month"]) == ("CLOSED", date(2026, 11, 1))

    async def test_a_payer_who_dies_leaves_the_child_free_from_the_next_month(
        self, register: Make, deliver: Make, birth: Make, death: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await register(MOTHER)
        await deliver(birth())
        await deliver(death(MOTHER, date(2027, 2, 3)))
        await deliver(death(MOTHER, date(2027, 2, 3)))
        assert await payers(emitted) == [(MOTHER, "2026-11"), (None, "2027-03")]
        (taxpayer,) = await rows(session, "taxpayers")
        assert taxpayer["state"] == "DECEASED_CLOSE"
        assert [d["state"] for d in await rows(session, "dependants")] == ["UNCLAIMED"]

    async def test_a_payer_who_had_died_before_the_birth_never_counted_the_child(
        self, register: Make, deliver: Make, birth: Make, death: Make, emitted: Make, session: AsyncSession
    ) -> None:
        await register(FATHER)
        await deliver(birth())
        await deliver(death(FATHER, date(2026, 6, 1)))
        assert await payers(emitted) == [(FATHER, "2026-11"), (None, "2026-11")]
        assert [c["state"] for c in await rows(session, "claims")] == ["VOID"]

    async def test_a_dead_parent_is_no_payer(
        self, register: Make, deliver: Make, birth: Make, death: Make, emitted: Make
    ) -> None:
        await register(FATHER)
        await deliver(death(FATHER, date(2026, 11, 1)))
        await deliver(birth())
        assert await payers(emitted) == [(None, "2026-11")]

    async def test_birth_and_death_at_the_same_instant_leave_nothing_open(
        self, people: Any, register: Make, deliver: Make, birth: Make, death: Make, session: AsyncSession
    ) -> None:
        await register(MOTHER)
        numbers = [f"07922600010{n}" for n in range(4)]
        people.update(dict.fromkeys(numbers, people[CHILD]))
        await asyncio.gather(
            *(deliver(birth(n)) for n in numbers),
            *(deliver(death(n, date(2026, 11, 23))) for n in numbers[:2]),
            deliver(death(MOTHER, date(2026, 11, 25))),
        )
        states = {d["personal_id"]: d["state"] for d in await rows(session, "dependants")}
        assert [states[n] for n in numbers] == ["CLOSED", "CLOSED", "UNCLAIMED", "UNCLAIMED"]
        assert all(c["to_month"] == date(2026, 11, 1) for c in await rows(session, "claims"))
