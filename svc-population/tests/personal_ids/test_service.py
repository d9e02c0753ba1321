"""A newborn gets a number: once, never somebody else's, and not under wrong parents."""

import asyncio
from typing import Any

from ndx_contracts.population import Sex
from sqlalchemy import text
from svc_population.personal_ids.personal_id import faults

URL = "/population/v1/personal-id-requests"
MOTHER = "079190000011"
FATHER = "079088000022"


class TestCreatePersonalIdRequest:
    async def test_a_birth_gets_a_number_and_a_person_with_parents(
        self, client, registry, birth, add_person, emitted, disclosed, session
    ):
        await add_person(MOTHER)
        await add_person(FATHER)
        reply = await client.post(URL, json=birth(), headers=registry)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert body["state"] == "ISSUED"
        assert body["personal_id"].startswith("079326")
        assert faults(body["personal_id"], birth_year=2026, sex=Sex.FEMALE) == ()
        (event,) = await emitted()
        assert event["type"] == "population.person-registered.v1"
        assert event["key"] == body["person_id"]
        assert event["data"]["mother_personal_id"] == MOTHER
        (record,) = await disclosed()
        assert record["subjects"] == [body["personal_id"]]
        assert record["agency"] == "G02"
        links = await session.execute(
            text("SELECT relation, related_personal_id FROM relationships ORDER BY relation")
        )
        assert [tuple(r) for r in links] == [("FATHER", FATHER), ("MOTHER", MOTHER)]

    async def test_the_same_request_gets_the_same_answer(self, client, registry, birth, add_person, emitted):
        await add_person(MOTHER)
        await add_person(FATHER)
        body = birth()
        answers = await asyncio.gather(*(client.post(URL, json=body, headers=registry) for _ in range(5)))
        assert {a.status_code for a in answers} == {200}
        assert len({a.text for a in answers}) == 1
        assert len(await emitted()) == 1

    async def test_the_same_id_with_another_body_is_refused(self, client, registry, birth, add_person):
        await add_person(MOTHER)
        await add_person(FATHER)
        body = birth()
        await client.post(URL, json=body, headers=registry)
        reply = await client.post(URL, json={**body, "given_name": "Hạnh"}, headers=registry)
        assert (reply.status_code, reply.json()["code"]) == (422, "request-id-reused")

    async def test_two_offices_at_one_instant_give_one_number(
        self, client, registry, birth, add_person, session
    ):
        await add_person(MOTHER)
        await add_person(FATHER)
        answers = await asyncio.gather(
            *(client.post(URL, json=birth(given_name=n), headers=registry) for n in ("Hòa", "Hoà", "HÒA"))
        )
        states = sorted(a.json()["state"] for a in answers)
        assert states == ["DUPLICATE_SUSPECTED", "DUPLICATE_SUSPECTED", "ISSUED"]
        # The officer hears why, and nothing of whom.
        (issued,) = [a.json() for a in answers if a.json()["state"] == "ISSUED"]
        for suspected in (a for a in answers if a.json()["state"] != "ISSUED"):
            assert suspected.json()["reasons"]
            assert not any(issued[name] in suspected.text for name in ("personal_id", "person_id"))
            assert not any(secret in suspected.text for secret in (MOTHER, FATHER, "Hòa", "2026-11-20"))
        assert (await session.execute(text("SELECT count(*) FROM persons"))).scalar_one() == 3

    async def test_twins_are_no_duplicates(self, client, registry, birth, add_person):
        await add_person(MOTHER)
        await add_person(FATHER)
        one = await client.post(URL, json=birth(), headers=registry)
        two = await client.post(URL, json=birth(given_name="Hạnh"), headers=registry)
        assert [one.json()["state"], two.json()["state"]] == ["ISSUED", "ISSUED"]
        assert one.json()["personal_id"] != two.json()["personal_id"]

    async def test_a_birth_three_months_later_is_suspected_until_an_officer_confirms(
        self, client, registry, birth, add_person
    ):
        await add_person(MOTHER)
        await add_person(FATHER)
        await client.post(URL, json=birth(birth_date="2026-08-20"), headers=registry)
        second = await client.post(URL, json=birth(given_name="Hạnh"), headers=registry)
        assert second.json()["state"] == "DUPLICATE_SUSPECTED"
        assert second.json()["reasons"] == ["same-mother-short-interval"]
        third = await client.post(
            URL, json=birth(given_name="Hạnh", confirmed_not_duplicate=True), headers=registry
        )
        assert third.json()["state"] == "ISSUED"

    async def test_without_a_mother_the_same_name_day_and_place_is_suspected(self, client, registry, birth):
        foundling: dict[str, Any] = {"mother": None, "father": None}
        await client.post(URL, json=birth(**foundling), headers=registry)
        again = await client.post(URL, json=birth(**foundling), headers=registry)
        assert again.json()["reasons"] == ["same-name-same-day-same-place"]

    async def test_wrong_parents_are_rejected_with_reasons(
        self, client, registry, birth, add_person, emitted, disclosed
    ):
        await add_person(MOTHER)
        reply = await client.post(
            URL,
            json=birth(
                mother={"personal_id": MOTHER, "name": "Phạm Thị Lan"},
                father={"personal_id": "079088999999", "name": "Ai Đó"},
            ),
            headers=registry,
        )
        assert reply.json()["state"] == "REJECTED"
        assert reply.json()["reasons"] == ["mother-name-differs", "father-not-found"]
        assert await emitted() == []
        learnt = [(r["subjects"], r["outcome"]) for r in await disclosed()]
        assert learnt == [([MOTHER], "NOT_MATCHED"), (["079088999999"], "NOT_FOUND")]

    async def test_a_future_birth_and_a_foreign_commune_are_rejected(
        self, client, registry, birth, says_nothing
    ):
        alone: dict[str, Any] = {"mother": None, "father": None}
        future = await client.post(URL, json=birth(birth_date="2999-01-01", **alone), headers=registry)
        assert future.json()["reasons"] == ["birth-date-in-future"]
        place = await client.post(
            URL, json=birth(birth_registration_commune_code="00070", **alone), headers=registry
        )
        assert place.json()["reasons"] == ["registration-commune-unknown"]

    async def test_a_number_that_an_import_brought_is_passed_over(
        self, client, registry, birth, add_person, runtime
    ):
        allocator = runtime.extras["personal_ids.allocator"]
        taken = await allocator.next_number("079326")
        allocator._leased.clear()
        async with runtime.sessions() as session, session.begin():
            await session.execute(text("DELETE FROM personal_id_counters"))
        await add_person(taken)
        reply = await client.post(URL, json=birth(mother=None, father=None), headers=registry)
        assert reply.json()["state"] == "ISSUED"
        assert reply.json()["personal_id"] != taken

    async def test_fifty_births_at_once_get_fifty_numbers(self, client, registry, birth):
        answers = await asyncio.gather(
            *(
                client.post(
                    URL, json=birth(given_name=f"Tên {n}", mother=None, father=None), headers=registry
                )
                for n in range(50)
            )
        )
        assert len({a.json()["personal_id"] for a in answers}) == 50

    async def test_without_its_key_the_service_says_unavailable(self, client, registry, birth, runtime):
        allocator = runtime.extras["personal_ids.allocator"]
        allocator._key_file = None
        reply = await client.post(URL, json=birth(mother=None, father=None), headers=registry)
        assert (reply.status_code, reply.json()["code"]) == (503, "personal-id-key-missing")

    async def test_nobody_without_a_caller_or_agreement_gets_in(self, client, birth, as_agency):
        assert (await client.post(URL, json=birth())).status_code == 401
        unknown = as_agency("G09", purpose="CIVIL_REGISTRATION")
        assert (await client.post(URL, json=birth(), headers=unknown)).status_code == 503
