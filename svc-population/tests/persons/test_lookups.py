"""Many people are read at once: as one is, each with a record, and the order of the answers is that asked."""

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import PERSON_LOOKUPS_PATH as PATH

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
            [MOTHER],
        ],
    )
    async def test_what_is_no_question_is_refused_and_nobody_is_looked_up(
        self, client, insurer, disclosed, body
    ):
        reply = await client.post(PATH, json=body, headers=insurer)
        assert reply.status_code == 422
        assert MOTHER not in reply.text
        assert await disclosed() == []
