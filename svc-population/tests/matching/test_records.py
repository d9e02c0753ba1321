"""A record is matched with at most one person; nobody gets a list of strangers, and nobody can fish."""

from datetime import date

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

URL = "/population/v1/match"
HOA = "079190000011"
STATED = {"name": "TRẦN THỊ HÒA", "birth_date": "1990-05-17"}
GROUPS = [
    FieldGroup.PERSONAL_ID,
    FieldGroup.BIRTH_NAME,
    FieldGroup.BIRTH_DATE,
    FieldGroup.SEX,
    FieldGroup.LEGACY_ID_NUMBER,
    FieldGroup.PERMANENT_RESIDENCE,
]


@pytest.fixture
def insurance(agree, as_agency):
    def make(groups=GROUPS, **scope):
        agree(
            "G03",
            {"population.match_person": groups},
            purposes=["SOCIAL_INSURANCE"],
            admin_scope=AdminScope(**scope),
        )
        return as_agency("G03", system="insurance-link", purpose="SOCIAL_INSURANCE")

    return make


@pytest.fixture
def matched(client, insurance):
    async def match(headers=None, **stated):
        reply = await client.post(URL, json={**STATED, **stated}, headers=headers or insurance())
        assert reply.status_code == 200, reply.text
        return reply.json()

    return match


class TestMatchPerson:
    async def test_a_number_with_name_and_birth_date_is_sure(self, matched, add_person, disclosed):
        await add_person(HOA)
        assert await matched(personal_id=HOA) == {"zone": "SURE", "personal_id": HOA, "reasons": []}
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"]) == ("MATCHED", [HOA])
        assert record["field_groups"] == ["birth_date", "birth_name", "personal_id"]

    async def test_the_old_number_of_nine_digits_leads_to_its_holder(self, matched, add_person):
        await add_person(HOA, legacy_id_number="024111222")
        found = await matched(legacy_id_number="024111222")
        assert (found["zone"], found["personal_id"]) == ("SURE", HOA)

    async def test_a_name_with_a_birth_date_alone_is_for_somebody_to_look_at(
        self, matched, add_person, disclosed
    ):
        await add_person(HOA)
        assert await matched(sex="FEMALE") == {
            "zone": "REVIEW",
            "personal_id": None,
            "reasons": ["name-and-birth-date-alone"],
        }
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"]) == ("NOT_MATCHED", [HOA])

    async def test_a_commune_makes_it_sure_and_a_namesake_there_unsure(self, matched, add_person):
        await add_person(HOA)
        assert (await matched(commune_code="26740"))["zone"] == "SURE"
        born = date(1990, 5, 17)
        await add_person("079190000099", surname="Trần", middle_name="Thị", given_name="Hòa", birth_date=born)
        found = await matched(commune_code="26740")
        assert (found["zone"], found["reasons"]) == ("REVIEW", ["several-alike"])

    async def test_a_number_with_another_name_is_a_mismatch(self, matched, add_person):
        await add_person(HOA)
        found = await matched(personal_id=HOA, name="Lê Văn Nam")
        assert found == {"zone": "REVIEW", "personal_id": None, "reasons": ["name-differs"]}

    async def test_a_former_number_leads_to_the_number_of_today(self, matched, add_person, session):
        await add_person(HOA)
        await session.execute(
            text(
                "INSERT INTO former_personal_ids VALUES"
                " ('079090000001', uuidv7(), :new, 'WRONG_ENTRY', 'QD-1', 'test')"
            ),
            {"new": HOA},
        )
        await session.commit()
        assert (await matched(personal_id="079090000001"))["personal_id"] == HOA

    async def test_nobody_is_recorded_too(self, matched, disclosed):
        assert await matched() == {"zone": "NO", "personal_id": None, "reasons": ["nobody-like-this"]}
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"]) == ("NOT_FOUND", [])

    async def test_who_lives_outside_the_scope_is_nobody(self, matched, insurance, add_person):
        await add_person(HOA, legacy_id_number="024111222")
        headers = insurance(provinces=("01",))
        for stated in ({"personal_id": HOA}, {"legacy_id_number": "024111222"}, {"commune_code": "26740"}):
            assert (await matched(headers, **stated))["zone"] == "NO"

    async def test_hundreds_of_namesakes_are_more_than_can_be_looked_at(self, matched, session):
        await session.execute(
            text(
                "INSERT INTO persons (personal_id, given_name, surname, birth_date, sex, source)"
                " SELECT lpad((79190000000 + n)::text, 12, '0'), 'An', 'Lê', '1990-05-17', 'FEMALE', 'test'"
                " FROM generate_series(1, 205) n"
            )
        )
        await session.commit()
        assert (await matched(name="Lê An"))["reasons"] == ["too-many-alike"]

    async def test_trying_places_one_after_the_other_is_stopped(self, client, insurance, matched, add_person):
        await add_person(HOA)
        for province in ("01", "04", "08"):
            assert (await matched(province_code=province))["zone"] in {"REVIEW", "NO"}
        stated = {**STATED, "sex": "FEMALE"}
        zones = [(await client.post(URL, json=stated, headers=insurance())).json()["zone"] for _ in range(4)]
        assert zones == ["REVIEW"] * 3 + ["NO"]
        # Another answer than that of nobody would say that the commune is right.
        reply = await client.post(URL, json={**STATED, "commune_code": "26740"}, headers=insurance())
        assert reply.json() == {"zone": "NO", "personal_id": None, "reasons": ["nobody-like-this"]}

    @pytest.mark.parametrize("number", [{"personal_id": HOA}, {"legacy_id_number": "024111222"}])
    async def test_guessing_the_birth_date_of_a_number_is_stopped_and_recorded_however_bad_the_guess(
        self, client, insurance, add_person, disclosed, number
    ):
        await add_person(HOA, legacy_id_number="024111222")
        guess = {"name": "Võ Kim", **number}
        replies = [
            await client.post(URL, json={**guess, "birth_date": f"19{year}"}, headers=insurance())
            for year in (40, 50, 60, 70)
        ]
        assert [r.status_code for r in replies] == [200, 200, 200, 429]
        told = [(r["outcome"], r["subjects"]) for r in await disclosed()]
        # That there are no guesses left about somebody says that there is somebody.
        assert told == [("NOT_FOUND", [HOA])] * 3 + [("NOT_MATCHED", [HOA])]

    async def test_a_number_that_nobody_has_is_in_the_record(self, matched, disclosed):
        assert (await matched(personal_id="079190000077"))["zone"] == "NO"
        assert [r["subjects"] for r in await disclosed()] == [["079190000077"]]

    async def test_what_the_agreement_does_not_cover_may_not_be_stated(self, client, insurance):
        headers = insurance(groups=[FieldGroup.PERSONAL_ID, FieldGroup.BIRTH_NAME, FieldGroup.BIRTH_DATE])
        reply = await client.post(URL, json={**STATED, "sex": "FEMALE"}, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"name": ""},
            {"name": "Нгуен"},
            {"birth_date": "1990-02-30"},
            {"birth_date": None},
            {"personal_id": "123"},
            {"legacy_id_number": "12345678x"},
            {"sex": "X"},
            {"more": 1},
        ],
    )
    async def test_what_is_no_record_is_refused(self, client, insurance, wrong, disclosed):
        assert (await client.post(URL, json={**STATED, **wrong}, headers=insurance())).status_code == 422
        assert await disclosed() == []
