"""Many people are read at once: as one is, each with a record, and the order of the answers is that asked."""

import asyncio

import asyncpg
import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import PERSON_LOOKUPS_PATH as PATH
from sqlalchemy import text

MOTHER = "079190000011"
NOBODY = "079190999999"


def asking(*numbers: str, fields: tuple[str, ...] = ("personal_id", "sex")) -> dict[str, list[str]]:
    return {"personal_ids": list(numbers), "fields": list(fields)}


class TestLookupPersons:
    async def test_each_number_gets_its_answer_and_its_record(self, client, insurer, add_person, disclosed):
        numbers = [await add_person(f"0790880{n:05d}", given_name=f"An{n}") for n in range(300)]
        asked = [*numbers[150:], NOBODY, *numbers[:150], numbers[0]]
        reply = await client.post(PATH, json=asking(*asked), headers=insurer)
        assert reply.status_code == 200, reply.text
        items = reply.json()["items"]
        assert [i["personal_id"] for i in items] == asked[:-1]
        shown = {i["personal_id"]: i["person"] for i in items}
        assert shown.pop(NOBODY) is None
        assert all(person["personal_id"] == number for number, person in shown.items())
        assert reply.headers["cache-control"] == "no-store"
        records = await disclosed()
        assert sorted(r["subjects"][0] for r in records) == sorted(asked[:-1])
        outcomes = {r["subjects"][0]: r["outcome"] for r in records}
        assert (outcomes.pop(NOBODY), set(outcomes.values())) == ("NOT_FOUND", {"DISCLOSED"})
        assert {r["operation"] for r in records} == {"population.lookup_persons"}

    async def test_a_thousand_may_be_asked_for_and_a_former_number_leads_to_its_holder(
        self, client, insurer, add_person, disclosed, session
    ):
        await add_person(MOTHER)
        await session.execute(
            text(
                "INSERT INTO former_personal_ids VALUES"
                " ('079190000099', uuidv7(), :new, 'WRONG_ENTRY', 'QD-1', 'test')"
            ),
            {"new": MOTHER},
        )
        await session.commit()
        asked = ["079190000099", MOTHER, *(f"0790880{n:05d}" for n in range(998))]
        reply = await client.post(PATH, json=asking(*asked), headers=insurer)
        assert reply.status_code == 200, reply.text
        items = reply.json()["items"]
        assert [i["personal_id"] for i in items] == asked
        assert [i["person"] for i in items[:2]] == [{"personal_id": MOTHER, "sex": "FEMALE"}] * 2
        assert {i["person"] for i in items[2:]} == {None}
        records = await disclosed()
        assert sorted(r["subjects"][0] for r in records) == sorted([MOTHER, *asked[1:]])
        assert sorted(r["outcome"] for r in records) == ["DISCLOSED"] * 2 + ["NOT_FOUND"] * 998

    async def test_a_body_that_is_too_large_is_refused_unread(self, client, insurer, disclosed):
        reply = await client.post(PATH, json=asking(*[MOTHER] * 400_000), headers=insurer)
        assert (reply.status_code, reply.headers["content-type"]) == (413, "application/problem+json")
        assert await disclosed() == []

    async def test_who_lives_elsewhere_looks_like_nobody(
        self, client, agree, as_agency, add_person, disclosed
    ):
        agree(
            "X00070",
            {"population.lookup_persons": [FieldGroup.SEX]},
            purposes=["CIVIL_REGISTRATION"],
            admin_scope=AdminScope(provinces=("01",)),
        )
        await add_person(MOTHER)
        headers = as_agency("X00070", purpose="CIVIL_REGISTRATION")
        reply = await client.post(PATH, json=asking(MOTHER, NOBODY, fields=("sex",)), headers=headers)
        assert [i["person"] for i in reply.json()["items"]] == [None, None]
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND", "NOT_FOUND"]

    async def test_a_group_outside_the_agreement_is_refused_and_nobody_is_looked_up(
        self, client, agree, as_agency, add_person, disclosed
    ):
        agree("B01", {"population.lookup_persons": [FieldGroup.SEX]}, purposes=["CREDIT_INSTITUTION_KYC"])
        await add_person(MOTHER)
        headers = as_agency("B01", purpose="CREDIT_INSTITUTION_KYC")
        reply = await client.post(PATH, json=asking(MOTHER, fields=("sex", "religion")), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        assert await disclosed() == []

    @pytest.mark.parametrize(
        "body",
        [
            {"personal_ids": [], "fields": ["sex"]},
            {"personal_ids": [MOTHER], "fields": []},
            {"personal_ids": [MOTHER], "fields": ["nothing"]},
            {"personal_ids": ["12345"], "fields": ["sex"]},
            {"personal_ids": [f"0790880{n:05d}" for n in range(1001)], "fields": ["sex"]},
            {"personal_ids": [MOTHER], "fields": ["sex"], "more": 1},
            {"personal_ids": [MOTHER] * 1001, "fields": ["sex"]},
            {"personal_ids": [MOTHER, f"{MOTHER[:-1]}\uff11"], "fields": ["sex"]},
            {"personal_ids": [MOTHER, f"{MOTHER[:6]}\u200b{MOTHER[6:]}"], "fields": ["sex"]},
            {"personal_ids": [MOTHER, int(MOTHER)], "fields": ["sex"]},
            {"personal_ids": [MOTHER, None], "fields": ["sex"]},
            {"personal_ids": [[MOTHER]], "fields": ["sex"]},
            {"personal_ids": MOTHER, "fields": ["sex"]},
            {"personal_ids": {MOTHER: MOTHER}, "fields": ["sex"]},
            {"personal_ids": [MOTHER], "fields": "sex"},
            {"personal_ids": [MOTHER], "fields": [MOTHER]},
            {"personal_ids": [MOTHER]},
            [MOTHER],
        ],
    )
    async def test_what_is_no_question_is_refused_and_nobody_is_looked_up(
        self, client, insurer, disclosed, body
    ):
        reply = await client.post(PATH, json=body, headers=insurer)
        assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
        assert MOTHER not in reply.text
        assert await disclosed() == []


class TestNoRoom:
    @pytest.fixture
    def service_settings(self, service_settings):
        return {**service_settings, "lookup_lanes": 1, "lookup_batch": 50, "lookup_queue": 300}

    async def test_what_is_refused_for_want_of_room_leaves_no_record(
        self, client, insurer, disclosed, database_url
    ):
        # Nobody can write a record: the first request's lookups stay in the queue.
        other, watching = [await asyncpg.connect(database_url) for _ in range(2)]
        held = other.transaction()
        await held.start()
        await other.execute("LOCK TABLE disclosures IN EXCLUSIVE MODE")
        first = asyncio.create_task(
            client.post(PATH, json=asking(*(f"0790880{n:05d}" for n in range(250))), headers=insurer)
        )
        async with asyncio.timeout(30):
            while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await watching.execute("SELECT pg_sleep(0.02)")
        asked = [f"0790881{n:05d}" for n in range(250)]
        refused = await client.post(PATH, json=asking(*asked), headers=insurer)
        await held.rollback()
        await asyncio.gather(other.close(), watching.close())
        assert (refused.status_code, refused.json()["code"]) == (503, "service-overloaded")
        # On a machine that stalls, the statement that waited may have run out of its time.
        assert (await first).status_code in {200, 503}
        # What was let in before the refusal would be written by now: lookups come one after the other.
        await client.post(PATH, json=asking(MOTHER), headers=insurer)
        assert {r["subjects"][0] for r in await disclosed()}.isdisjoint(asked)
