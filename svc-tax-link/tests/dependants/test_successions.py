"""A number is cancelled, records are merged, a merger is undone: codes and claims follow the person."""

import asyncio
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonalIdCancelled, PersonDeceased
from ndx_testing.mergers import merged, separated
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from svc_tax_link.dependants import successions

pytestmark = pytest.mark.integration

CHILD, MOTHER, FATHER, TWIN = "079226000017", "079195000021", "079093000034", "079226000025"
CODE, OTHER_CODE = "0100233488", "0314409058"
NEW = "079195000500"
Make = Callable[..., Any]


@pytest.fixture
def more_people(people: dict[str, dict[str, Any]]) -> None:
    people[NEW] = {"name": ("Trần", "Thị", "Lan"), "birth_date": "1995-03-08"}
    people[TWIN] = {"name": ("Nguyễn", "Minh", "Hoà"), "birth_date": "2026-11-20"}


@pytest.fixture
def merge(deliver: Make) -> Make:
    async def send(survivor: str, duplicate: str) -> None:
        await deliver(merged(survivor, duplicate))

    return send


@pytest.fixture
def separate(deliver: Make) -> Make:
    async def send(remaining: str, number: str) -> None:
        await deliver(separated(remaining, number))

    return send


@pytest.fixture
def taxpayer(client: httpx.AsyncClient, office: dict[str, str]) -> Make:
    async def read(number: str) -> Any:
        reply = await client.get(f"/tax/v1/taxpayers/{number}", headers=office)
        return reply.json() if reply.status_code == 200 else None

    return read


@pytest.fixture
def dependants(client: httpx.AsyncClient, office: dict[str, str]) -> Make:
    async def read(number: str) -> list[str]:
        reply = await client.get(f"/tax/v1/taxpayers/{number}/dependants", headers=office)
        return [d["personal_id"] for d in reply.json()["items"]]

    return read


@pytest.fixture
def twice_of(client: httpx.AsyncClient, office: dict[str, str]) -> Make:
    """Return for each dependant of a taxpayer the months that another claim counts as well."""

    async def read(number: str) -> list[list[tuple[str, str]]]:
        reply = await client.get(f"/tax/v1/taxpayers/{number}/dependants", headers=office)
        return [[(m["from_month"], m["to_month"]) for m in d["counted_twice"]] for d in reply.json()["items"]]

    return read


class TestBesideABirth:
    @pytest.mark.parametrize(("old", "new"), [(MOTHER, NEW), (CHILD, TWIN)])
    async def test_a_number_that_is_replaced_while_a_birth_is_taken_in_is_kept_nowhere(
        self,
        old: str,
        new: str,
        more_people: None,
        birth: Make,
        deliver: Make,
        runtime: Runtime,
        session: AsyncSession,
    ) -> None:
        actor: Any = SimpleNamespace(actor="test", request_id="r-1", officer=None, case_id=None)
        async with runtime.sessions() as beside, beside.begin():
            await successions.follow_number(beside, actor, old=old, new=new, merger=None)
            arriving = asyncio.create_task(deliver(birth()))
            await asyncio.wait([arriving], timeout=1)
        await arriving
        row = (await session.execute(text("SELECT personal_id, mother_personal_id FROM dependants"))).one()
        expected = {CHILD: CHILD, MOTHER: MOTHER, old: new}
        assert tuple(row) == (expected[CHILD], expected[MOTHER])


class TestNumbersThatLeadOn:
    async def test_a_taxpayer_is_found_under_the_new_number_with_codes_and_children(
        self, more_people: None, register: Make, birth: Make, deliver: Make, taxpayer: Make, dependants: Make
    ) -> None:
        before = await register(MOTHER, legacy_tax_code=CODE)
        await deliver(birth(father=None))
        assert await dependants(MOTHER) == [CHILD]
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=MOTHER, superseded_by=NEW))
        for number in (NEW, MOTHER):
            found = await taxpayer(number)
            assert (found["taxpayer_id"], found["legacy_tax_codes"]) == (before["taxpayer_id"], [CODE])
            assert found["personal_id"] == NEW
            assert await dependants(number) == [CHILD]

    async def test_two_taxpayers_are_one_until_the_merger_is_undone(
        self,
        more_people: None,
        register: Make,
        birth: Make,
        deliver: Make,
        taxpayer: Make,
        dependants: Make,
        merge: Make,
        separate: Make,
        session: AsyncSession,
    ) -> None:
        await register(MOTHER, legacy_tax_code=CODE)
        await register(NEW, legacy_tax_code=OTHER_CODE)
        await deliver(birth(father=None))
        await merge(NEW, MOTHER)
        one = await taxpayer(NEW)
        assert (one["state"], set(one["legacy_tax_codes"])) == ("DUP_TAX_CODE", {CODE, OTHER_CODE})
        assert await taxpayer(MOTHER) == one
        assert await dependants(NEW) == [CHILD]
        parent = "SELECT mother_personal_id FROM dependants"
        assert await session.scalar(text(parent)) == NEW
        await session.rollback()
        await separate(NEW, MOTHER)
        for number, code, children in ((MOTHER, CODE, [CHILD]), (NEW, OTHER_CODE, [])):
            found = await taxpayer(number)
            assert (found["state"], found["legacy_tax_codes"]) == ("MATCHED", [code])
            assert await dependants(number) == children
        assert await session.scalar(text(parent)) == MOTHER

    async def test_a_merger_told_after_the_next_one_comes_back_to_the_number_between(
        self,
        more_people: None,
        register: Make,
        birth: Make,
        deliver: Make,
        taxpayer: Make,
        dependants: Make,
        merge: Make,
        separate: Make,
    ) -> None:
        between = "079195000777"
        await register(MOTHER, legacy_tax_code=CODE)
        await register(NEW, legacy_tax_code=OTHER_CODE)
        await deliver(birth(father=None))
        await merge(NEW, between)
        await merge(between, MOTHER)
        assert await dependants(NEW) == [CHILD]
        await separate(NEW, between)
        assert await dependants(NEW) == []
        for number in (between, MOTHER):
            found = await taxpayer(number)
            assert (found["personal_id"], found["legacy_tax_codes"]) == (between, [CODE])
            assert await dependants(number) == [CHILD]
        await separate(between, MOTHER)
        assert (await taxpayer(MOTHER))["personal_id"] == MOTHER

    async def test_a_death_told_of_the_duplicate_meanwhile_stays_when_the_merger_is_undone(
        self, more_people: None, register: Make, deliver: Make, taxpayer: Make, merge: Make, separate: Make
    ) -> None:
        await register(MOTHER, legacy_tax_code=CODE)
        await register(NEW, legacy_tax_code=OTHER_CODE)
        await merge(NEW, MOTHER)
        died = PersonDeceased(person_id=new_id(), personal_id=MOTHER, version=3, died_on=date(2026, 11, 26))
        await deliver(died)
        await separate(NEW, MOTHER)
        found = await taxpayer(MOTHER)
        assert (found["personal_id"], found["state"]) == (MOTHER, "DECEASED_CLOSE")

    async def test_a_child_with_two_records_is_counted_once_where_that_is_sure(
        self,
        more_people: None,
        register: Make,
        birth: Make,
        deliver: Make,
        dependants: Make,
        merge: Make,
        separate: Make,
        session: AsyncSession,
        emitted: Make,
        twice_of: Make,
    ) -> None:
        await register(MOTHER)
        await register(FATHER)
        await deliver(birth(CHILD, father=None))
        await deliver(birth(TWIN, mother=None))
        await merge(TWIN, CHILD)
        # Both parents count the same months: that stays as it is, is told, and seen by who reads either.
        told = [e["data"] for e in await emitted() if e["type"] == "tax.dependant-counted-twice.v1"]
        assert [(d["dependant_personal_id"], d["from_month"], d["undone"]) for d in told] == [
            (TWIN, "2026-11", False)
        ]
        for parent in (MOTHER, FATHER):
            assert await twice_of(parent) == [[(told[0]["from_month"], told[0]["to_month"])]]
        twice = await session.scalar(
            text("SELECT details->>'counted_twice' FROM audit_entries WHERE action = 'dependants_merged'")
        )
        assert twice == "1"
        await session.rollback()
        await separate(TWIN, CHILD)
        assert (await dependants(MOTHER), await dependants(FATHER)) == ([CHILD], [TWIN])
        assert (await twice_of(MOTHER), await twice_of(FATHER)) == ([[]], [[]])
        told = [e["data"] for e in await emitted() if e["type"] == "tax.dependant-counted-twice.v1"]
        assert [d["undone"] for d in told] == [False, True]

    @pytest.mark.parametrize("payer", [MOTHER, FATHER])
    async def test_an_office_decides_whose_months_they_are_until_the_merger_is_undone(
        self,
        payer: str,
        more_people: None,
        register: Make,
        birth: Make,
        deliver: Make,
        dependants: Make,
        merge: Make,
        separate: Make,
        client: httpx.AsyncClient,
        office: dict[str, str],
        session: AsyncSession,
        emitted: Make,
        twice_of: Make,
    ) -> None:
        await register(MOTHER)
        await register(FATHER)
        await deliver(birth(CHILD, father=None))
        await deliver(birth(TWIN, mother=None))
        await merge(TWIN, CHILD)
        body = {"payer_personal_id": payer, "document": "QĐ-1"}
        for _ in range(2):
            reply = await client.post(f"/tax/v1/dependants/{CHILD}/settlements", json=body, headers=office)
            assert reply.status_code == 200, reply.text
            (item,) = reply.json()["items"]
            assert (item["counted_twice"], item["from_month"]) == ([], "2026-11")
        other = FATHER if payer == MOTHER else MOTHER
        assert await twice_of(payer) == [[]]
        assert await dependants(other) == []
        told = [e["data"] for e in await emitted() if e["type"] == "tax.dependant-counted-twice.v1"]
        assert [(d["undone"], d["settled"]) for d in told] == [(False, False), (True, True)]
        audit = "SELECT count(*) FROM audit_entries WHERE action = 'dependant_settled'"
        assert await session.scalar(text(audit)) == 1
        await session.rollback()
        # Nobody claims these months anew, under neither number.
        for child in (CHILD, TWIN):
            claim = {"dependant_personal_id": child, "from_month": "2027-01"}
            again = await client.post(f"/tax/v1/taxpayers/{FATHER}/dependants", json=claim, headers=office)
            assert (again.status_code, again.json()["code"]) == (409, "dependant-month-taken")
        stranger = {**body, "payer_personal_id": other}
        refused = await client.post(f"/tax/v1/dependants/{TWIN}/settlements", json=stranger, headers=office)
        assert (refused.status_code, refused.json()["code"]) == (404, "dependant-not-found")
        await separate(TWIN, CHILD)
        assert (await dependants(MOTHER), await dependants(FATHER)) == ([CHILD], [TWIN])

    @pytest.mark.parametrize("late", [True, False])
    async def test_what_was_settled_within_two_records_outlives_the_end_of_a_merger_with_a_third(
        self,
        late: bool,
        more_people: None,
        people: dict[str, dict[str, Any]],
        register: Make,
        birth: Make,
        deliver: Make,
        dependants: Make,
        merge: Make,
        separate: Make,
        client: httpx.AsyncClient,
        office: dict[str, str],
    ) -> None:
        third, aunt = "079226000033", "079193000045"
        people[third] = {"name": ("Nguyễn", "Minh", "Hoà"), "birth_date": "2026-11-20"}
        people[aunt] = {"name": ("Lê", "Thị", "Mai"), "birth_date": "1993-01-02"}
        await register(MOTHER)
        await register(FATHER)
        await register(aunt)
        await deliver(birth(CHILD, father=None))
        await deliver(birth(TWIN, mother=None))
        await deliver(birth(third, mother=aunt, father=None))
        mergers = [(TWIN, CHILD), (third, TWIN)]
        for survivor, duplicate in reversed(mergers) if late else mergers:
            await merge(survivor, duplicate)
        body = {"payer_personal_id": MOTHER, "document": "QĐ-1"}
        reply = await client.post(f"/tax/v1/dependants/{CHILD}/settlements", json=body, headers=office)
        assert reply.status_code == 200, reply.text
        assert [await dependants(payer) for payer in (MOTHER, FATHER, aunt)] == [[CHILD], [], []]
        # The third is somebody else: the aunt has her months back, and the father still has none.
        await separate(third, TWIN)
        # Told late, her claim follows once more: by then nobody else counts its months.
        hers = [TWIN] if late else [CHILD]
        assert [await dependants(payer) for payer in (MOTHER, FATHER, aunt)] == [hers, [], [third]]
        await separate(TWIN, CHILD)
        assert [await dependants(payer) for payer in (MOTHER, FATHER, aunt)] == [[CHILD], [TWIN], [third]]

    async def test_a_child_follows_and_comes_back(
        self,
        more_people: None,
        register: Make,
        birth: Make,
        deliver: Make,
        dependants: Make,
        merge: Make,
        separate: Make,
    ) -> None:
        await register(MOTHER)
        await deliver(birth(CHILD, father=None))
        await merge(TWIN, CHILD)
        assert await dependants(MOTHER) == [TWIN]
        await separate(TWIN, CHILD)
        assert await dependants(MOTHER) == [CHILD]

    async def test_a_birth_told_late_names_parents_by_their_numbers_of_today(
        self, more_people: None, register: Make, birth: Make, deliver: Make, dependants: Make, merge: Make
    ) -> None:
        await register(MOTHER)
        await merge(NEW, MOTHER)
        await deliver(birth(father=None))
        assert await dependants(NEW) == [CHILD]
