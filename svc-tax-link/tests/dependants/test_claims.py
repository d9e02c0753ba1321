"""One dependant, one payer per month: over HTTP, and by the database alone."""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

import httpx
import pytest
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from svc_tax_link.taxpayers import service as taxpayers

pytestmark = pytest.mark.integration

CHILD, MOTHER, FATHER = "079226000017", "079195000021", "079093000034"
Make = Callable[..., Any]
INSERT = text(
    "INSERT INTO claims (id, dependant_number, taxpayer_id, relation, from_month, to_month, state, rule)"
    " VALUES (:id, :number, :payer, 'CHILD', :first, :last, :state, 'test')"
)


@pytest.fixture
def claim(client: httpx.AsyncClient, office: dict[str, str]) -> Make:
    async def send(payer: str, month: str, child: str = CHILD) -> httpx.Response:
        return await client.post(
            f"/tax/v1/taxpayers/{payer}/dependants",
            json={"dependant_personal_id": child, "from_month": month},
            headers=office,
        )

    return send


class TestClaimDependant:
    async def test_a_child_who_waited_is_claimed_by_a_parent(
        self, deliver: Make, birth: Make, register: Make, claim: Make, emitted: Make, disclosed: Make
    ) -> None:
        await deliver(birth())
        await register(FATHER)
        reply = await claim(FATHER, "2026-12")
        assert (reply.status_code, reply.json()["from_month"]) == (200, "2026-12")
        assert (await claim(FATHER, "2026-12")).json() == reply.json()
        last = (await emitted())[-1]["data"]
        assert (last["taxpayer_personal_id"], last["from_month"]) == (FATHER, "2026-12")
        assert [e["type"] for e in await emitted()].count("tax.dependant-registered.v1") == 2
        assert (await disclosed())[-1]["subjects"] == [FATHER, CHILD]

    async def test_of_two_parents_at_the_same_instant_one_gets_the_month(
        self, deliver: Make, birth: Make, register: Make, claim: Make
    ) -> None:
        await deliver(birth())
        await register(MOTHER)
        await register(FATHER)
        replies = await asyncio.gather(claim(MOTHER, "2026-12"), claim(FATHER, "2027-01"))
        assert sorted(r.status_code for r in replies) == [200, 409]
        assert {r.json()["code"] for r in replies if r.status_code == 409} == {"dependant-month-taken"}

    async def test_the_other_parent_follows_one_who_died(
        self, deliver: Make, birth: Make, death: Make, register: Make, claim: Make
    ) -> None:
        await register(MOTHER)
        await register(FATHER)
        await deliver(birth())
        assert (await claim(FATHER, "2027-01")).status_code == 409
        await deliver(death(MOTHER, date(2027, 2, 3)))
        assert (await claim(FATHER, "2027-02")).json()["code"] == "dependant-month-taken"
        assert (await claim(FATHER, "2027-03")).status_code == 200
        assert (await claim(MOTHER, "2027-03")).json()["code"] == "payer-cannot-claim"

    async def test_strangers_and_unknown_children_are_refused_alike(
        self, people: Any, deliver: Make, birth: Make, register: Make, claim: Make
    ) -> None:
        stranger = "001190000044"
        people[stranger] = people[MOTHER]
        await deliver(birth())
        await register(stranger)
        refusals = [await claim(stranger, "2026-12"), await claim(stranger, "2026-12", "079226000099")]
        assert [(r.status_code, r.json()["code"]) for r in refusals] == [(404, "dependant-not-found")] * 2

    @pytest.mark.parametrize("month", ["2026-10", "2044-12"])
    async def test_months_before_birth_and_after_full_age_are_not_counted(
        self, month: str, deliver: Make, birth: Make, register: Make, claim: Make
    ) -> None:
        await deliver(birth())
        await register(MOTHER)
        assert (await claim(MOTHER, month)).json()["code"] == "dependant-claim-outside-rule"

    async def test_what_a_refused_claim_tells_of_a_child_is_recorded(
        self, deliver: Make, birth: Make, register: Make, claim: Make, disclosed: Make
    ) -> None:
        await deliver(birth())
        await register(MOTHER)
        before = len(await disclosed())
        assert (await claim(MOTHER, "1950-01")).json()["code"] == "dependant-claim-outside-rule"
        (record,) = (await disclosed())[before:]
        assert (record["operation"], sorted(record["subjects"])) == ("tax.claim_dependant", [MOTHER, CHILD])
        assert (await claim(MOTHER, "2026-12", "079226000099")).json()["code"] == "dependant-not-found"
        (record,) = (await disclosed())[before + 1 :]
        assert record["subjects"] == [MOTHER]

    async def test_only_a_taxpayer_claims(self, deliver: Make, birth: Make, claim: Make) -> None:
        await deliver(birth())
        assert (await claim(MOTHER, "2026-12")).json()["code"] == "taxpayer-not-found"
        assert (await claim(MOTHER, "2026-13")).status_code == 422


class TestListDependants:
    async def test_the_record_names_the_taxpayer_and_each_dependant(
        self,
        people: Any,
        deliver: Make,
        birth: Make,
        register: Make,
        client: httpx.AsyncClient,
        office: dict[str, str],
        disclosed: Make,
    ) -> None:
        twin = "079226000028"
        people[twin] = people[CHILD]
        await register(MOTHER)
        await deliver(birth())
        await deliver(birth(twin))
        reply = await client.get(f"/tax/v1/taxpayers/{MOTHER}/dependants", headers=office)
        assert {item["personal_id"] for item in reply.json()["items"]} == {CHILD, twin}
        record = (await disclosed())[-1]
        assert (record["subjects"][0], set(record["subjects"][1:])) == (MOTHER, {CHILD, twin})


class TestOnePayerPerMonth:
    @pytest.fixture
    async def ids(
        self, deliver: Make, birth: Make, register: Make, people: Any, session: AsyncSession
    ) -> dict[str, Any]:
        other = "079226000028"
        people[other] = people[CHILD]
        await deliver(birth())
        await deliver(birth(other))
        payers = [(await register(number))["taxpayer_id"] for number in (MOTHER, FATHER)]
        numbers = await session.execute(text("SELECT number FROM dependants ORDER BY number"))
        children = [row[0] for row in numbers]
        await session.rollback()
        return {"payers": payers, "children": children}

    @pytest.mark.parametrize(
        ("first", "last", "state", "allowed"),
        [
            (date(2027, 1, 1), date(2027, 6, 1), "ACTIVE", True),
            (date(2028, 1, 1), None, "ACTIVE", True),
            (date(2027, 12, 1), None, "ACTIVE", False),
            (date(2027, 6, 1), date(2027, 7, 1), "ACTIVE", False),
            (date(2027, 9, 1), date(2027, 9, 1), "ACTIVE", False),
            (date(2000, 1, 1), None, "ACTIVE", False),
            (date(2027, 9, 1), date(2027, 9, 1), "VOID", True),
        ],
    )
    async def test_the_database_itself_refuses_a_second_payer(
        self,
        first: date,
        last: date | None,
        state: str,
        ids: dict[str, Any],
        session: AsyncSession,
        *,
        allowed: bool,
    ) -> None:
        mother, father = ids["payers"]
        held = {
            "id": new_id(),
            "number": ids["children"][0],
            "payer": mother,
            "first": date(2027, 7, 1),
            "last": date(2027, 12, 1),
            "state": "ACTIVE",
        }
        await session.execute(INSERT, held)
        wanted = {**held, "id": new_id(), "payer": father, "first": first, "last": last, "state": state}
        await session.execute(INSERT, {**wanted, "id": new_id(), "number": ids["children"][1]})
        if allowed:
            await session.execute(INSERT, wanted)
        else:
            with pytest.raises(IntegrityError, match="ex_claims_one_payer_per_month"):
                await session.execute(INSERT, wanted)
        await session.rollback()


class TestLivingPayers:
    async def test_nobody_is_asked_for_nobody(self, runtime: Runtime) -> None:
        async with runtime.sessions() as session:
            assert await taxpayers.living_payers(session, []) == {}
