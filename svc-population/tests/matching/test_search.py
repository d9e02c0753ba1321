"""A person is found by name with a birth date or a commune; each one shown is recorded."""

from datetime import date

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

URL = "/population/v1/persons/search"
SEEN = [
    FieldGroup.PERSONAL_ID,
    FieldGroup.BIRTH_NAME,
    FieldGroup.BIRTH_DATE,
    FieldGroup.SEX,
    FieldGroup.PERMANENT_RESIDENCE,
    FieldGroup.HOUSEHOLD,
]
HOA = "079190000011"


@pytest.fixture
def police(agree, as_agency):
    """Make headers of a police agency with a scope."""

    def make(**scope):
        agree(
            "G01",
            {"population.search_persons": SEEN},
            purposes=["RESIDENCE_MANAGEMENT"],
            admin_scope=AdminScope(**scope),
        )
        return as_agency("G01", system="police-office", purpose="RESIDENCE_MANAGEMENT")

    return make


@pytest.fixture
def searched(client, police):
    """Search, in the whole country, and return the numbers that are found."""

    async def search(name, *, headers=None, **more):
        body = {"name": name, "fields": ["personal_id"], **more}
        reply = await client.post(URL, json=body, headers=headers or police())
        assert reply.status_code == 200, reply.text
        return [item["person"]["personal_id"] for item in reply.json()["items"]]

    return search


class TestSearchPersons:
    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("TRẦN thị Hòa", "SAME"),
            ("Trần Thị Hoà", "SAME"),
            ("tran thi hoa", "UNACCENTED"),
            ("Trần Hòa", "VARIANT"),
            ("Hòa Trần Thị", "REORDERED"),
            ("Hòa Thị Trần", "REORDERED"),
            ("Hòa", "GIVEN_NAME_ONLY"),
        ],
    )
    async def test_one_name_in_many_spellings_finds_its_holder(self, client, police, add_person, name, how):
        await add_person(HOA)
        await add_person("079190000012", surname="Trần", middle_name="Thị", given_name="Hồng")
        body = {"name": name, "birth_date": "1990-05-17", "fields": ["personal_id", "birth_name"]}
        reply = await client.post(URL, json=body, headers=police())
        assert reply.status_code == 200, reply.text
        assert reply.json() == {
            "items": [
                {
                    "name": how,
                    "birth_date": "EXACT",
                    "person": {
                        "birth_name": {"surname": "Trần", "middle_name": "Thị", "given_name": "Hoà"},
                        "personal_id": HOA,
                    },
                }
            ],
            "next_cursor": None,
            "complete": True,
        }

    @pytest.mark.parametrize(
        ("stored", "asked"),
        [
            (("Vũ", "Văn", "Lý"), "Võ Văn Lí"),
            (("Huỳnh", None, "Mỹ"), "Hoàng Mĩ"),
            (("Nguyễn", "Thị Thu", "Hà"), "Nguyễn Thu Hà"),
            (("Nguyễn", "Văn", "An"), "Nguyễn An"),
            (("Nguyễn", None, "An"), "Nguyễn Văn An"),
            (("Y", None, "Bhiăng"), "Y Bhiăng"),
        ],
    )
    async def test_variants_are_found(self, searched, add_person, stored, asked):
        surname, middle, given = stored
        await add_person(HOA, surname=surname, middle_name=middle, given_name=given)
        assert await searched(asked, birth_date="1990-05-17") == [HOA]

    @pytest.mark.parametrize("asked", ["1990-05-07", "1990-07-05", "1990-05", "1990", "1990-01-01"])
    async def test_a_birth_date_is_found_partly_known_or_swapped(self, searched, add_person, asked):
        await add_person(HOA, birth_date=date(1990, 5, 7))
        assert await searched("Trần Thị Hòa", birth_date=asked) == [HOA]

    async def test_a_day_finds_who_is_stored_with_a_bare_year(self, searched, add_person):
        await add_person(HOA, birth_date=date(1990, 1, 1))
        assert await searched("Trần Thị Hòa", birth_date="1990-05-17") == [HOA]

    async def test_the_nearest_comes_first_and_strangers_do_not_come(self, searched, add_person):
        day = date(1990, 5, 17)
        hoa = {"surname": "Trần", "middle_name": "Thị", "given_name": "Hoà"}
        await add_person("079190000013", **{**hoa, "given_name": "Hoa"}, birth_date=day)
        await add_person(HOA)
        await add_person("079190000014", **hoa, birth_date=date(1991, 5, 17))
        await add_person("079190000015", **{**hoa, "surname": "Lê"}, birth_date=day)
        assert await searched("Trần Thị Hòa", birth_date="1990-05-17") == [HOA, "079190000013"]

    async def test_sex_province_and_commune_narrow_and_a_commune_needs_no_date(self, searched, add_person):
        await add_person(HOA)
        await add_person("079090000012", surname="Trần", middle_name="Thị", given_name="Hòa", sex="MALE")
        await add_person(
            "001190000013",
            surname="Trần",
            middle_name="Thị",
            given_name="Hòa",
            permanent_province_code="01",
            permanent_commune_code="00070",
            sex="FEMALE",
        )
        assert await searched("Trần Thị Hòa", commune_code="00070") == ["001190000013"]
        assert await searched("Hòa", commune_code="26740", sex="FEMALE") == [HOA]
        assert await searched("Trần Thị Hòa", birth_date="1990", province_code="01") == []

    async def test_a_household_needs_neither_a_date_nor_a_commune_and_is_recorded(
        self, searched, add_person, disclosed
    ):
        await add_person(HOA, household_number="TN000000001")
        hoa = {"surname": "Trần", "middle_name": "Thị", "given_name": "Hòa"}
        await add_person("079190000012", **hoa, household_number="TN000000002")
        await add_person("079190000013", household_number="TN000000001")
        assert await searched("tran hoa", household_number="TN000000001") == [HOA]
        (record,) = await disclosed()
        assert record["field_groups"] == ["birth_name", "household", "personal_id"]
        assert await searched("Trần Thị Hòa", household_number="TN000000003") == []

    async def test_a_newborn_is_found_where_the_birth_was_registered(self, searched, add_person):
        await add_person(
            "079326000016",
            birth_date=date(2026, 11, 20),
            permanent_province_code=None,
            permanent_commune_code=None,
            birth_registration_province_code="79",
            birth_registration_commune_code="26740",
        )
        assert await searched("Lê An", commune_code="26740") == ["079326000016"]

    async def test_who_lives_outside_the_scope_is_not_found(self, searched, police, add_person):
        await add_person(HOA)
        where = {"birth_date": "1990-05-17"}
        assert await searched("Trần Thị Hòa", headers=police(provinces=("01",)), **where) == []
        assert await searched("Trần Thị Hòa", headers=police(communes=("26740",)), **where) == [HOA]

    async def test_each_person_shown_leaves_a_record_and_so_does_nobody(
        self, client, police, add_person, disclosed
    ):
        headers = police()
        numbers = [await add_person(f"0791900000{n}", birth_date=date(1990, 5, 17)) for n in range(30, 35)]
        body = {"name": "Lê An", "birth_date": "1990", "fields": ["sex"], "limit": 2}
        shown = []
        for _ in range(3):
            reply = (await client.post(URL, json=body, headers=headers)).json()
            shown += reply["items"]
            body["cursor"] = reply["next_cursor"]
        assert (len(shown), reply["next_cursor"]) == (5, None)
        records = await disclosed()
        assert sorted(r["subjects"][0] for r in records) == sorted(numbers)
        assert records[0]["field_groups"] == ["birth_date", "birth_name", "sex"]
        nobody = {"name": "Không Ai", "birth_date": "1990", "fields": ["sex"]}
        assert (await client.post(URL, json=nobody, headers=headers)).json()["items"] == []
        last = (await disclosed())[-1]
        assert (last["outcome"], last["subjects"]) == ("NOT_FOUND", [])

    async def test_a_name_that_hundreds_bear_is_too_broad_and_nobody_is_shown(
        self, client, police, session, disclosed
    ):
        await session.execute(
            text(
                "INSERT INTO persons (personal_id, given_name, surname, birth_date, sex, source)"
                " SELECT lpad((79190000000 + n)::text, 12, '0'), 'An', 'Lê', '1990-05-17', 'FEMALE', 'test'"
                " FROM generate_series(1, 205) n"
            )
        )
        await session.commit()
        body = {"name": "Lê An", "birth_date": "1990-05-17", "fields": ["personal_id"]}
        reply = await client.post(URL, json=body, headers=police())
        assert (reply.status_code, reply.json()["code"]) == (422, "search-too-broad")
        assert await disclosed() == []

    async def test_groups_shown_or_searched_by_outside_the_agreement_are_refused(
        self, client, agree, as_agency
    ):
        agree(
            "B01", {"population.search_persons": [FieldGroup.BIRTH_NAME]}, purposes=["CREDIT_INSTITUTION_KYC"]
        )
        headers = as_agency("B01", purpose="CREDIT_INSTITUTION_KYC")
        body = {"name": "Lê An", "birth_date": "1990", "fields": ["birth_name"]}
        reply = await client.post(URL, json=body, headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"birth_date": None},
            {"birth_date": "1990-02-30"},
            {"birth_date": "17/05/1990"},
            {"name": "Нгуен"},
            {"name": "Nguyễn\x00An"},
            {"name": "100%"},
            {"fields": []},
            {"fields": ["religion"]},
            {"fields": ["family_relations"]},
            {"limit": 51},
            {"fields": ["household"]},
            {"household_number": "%"},
            {"household_number": "TN\x00"},
            {"household_number": ""},
            {"more": 1},
        ],
    )
    async def test_what_is_no_search_is_refused(self, client, police, wrong, disclosed):
        body = {"name": "Lê An", "birth_date": "1990", "fields": ["sex"], **wrong}
        assert (await client.post(URL, json=body, headers=police())).status_code == 422
        assert await disclosed() == []

    @pytest.mark.parametrize("cursor", ["x", "ZmZmfDI", "MHww"])
    async def test_a_strange_cursor_is_refused(self, client, police, cursor):
        body = {"name": "Lê An", "birth_date": "1990", "fields": ["sex"], "cursor": cursor}
        reply = await client.post(URL, json=body, headers=police())
        assert (reply.status_code, reply.json()["code"]) == (400, "cursor-invalid")
