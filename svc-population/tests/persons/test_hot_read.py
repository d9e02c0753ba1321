"""One person is read: only what is agreed, never without a record, also when many read at once."""

import asyncio
from datetime import date

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

MOTHER = "079190000011"
FATHER = "079088000022"


def url(personal_id: str, fields: str = "personal_id,birth_name,birth_date,sex") -> str:
    return f"/population/v1/persons/{personal_id}?fields={fields}"


class TestGetPerson:
    async def test_exactly_the_asked_groups_are_answered_and_recorded(
        self, client, insurer, add_person, disclosed
    ):
        await add_person(MOTHER)
        reply = await client.get(url(MOTHER), headers=insurer)
        assert reply.status_code == 200, reply.text
        assert reply.json() == {
            "birth_name": {"surname": "Trần", "middle_name": "Thị", "given_name": "Hoà"},
            "personal_id": MOTHER,
            "birth_date": "1990-05-17",
            "sex": "FEMALE",
        }
        assert reply.headers["cache-control"] == "no-store"
        (record,) = await disclosed()
        assert record["subjects"] == [MOTHER]
        assert record["outcome"] == "DISCLOSED"
        assert record["field_groups"] == ["birth_date", "birth_name", "personal_id", "sex"]
        assert record["operation"] == "population.get_person"
        assert record["request_id"] == insurer["NDX-Request-Id"]

    async def test_every_group_can_be_read(self, client, insurer, add_person):
        await add_person(
            MOTHER, household_number="H1", relation_to_head="HEAD", phone="0900", religion="Phật giáo"
        )
        names = ",".join(g.value for g in list(FieldGroup)[:26])
        reply = await client.get(url(MOTHER, names), headers=insurer)
        assert reply.status_code == 200, reply.text
        body = reply.json()
        assert len(body) == 26
        assert body["household"]["members"][0]["personal_id"] == MOTHER
        assert body["permanent_residence"]["commune_code"] == "26740"
        assert body["family_relations"] is None
        assert body["death_or_missing_date"] is None

    async def test_relatives_are_given_with_their_numbers_and_names(
        self, client, insurer, add_person, session
    ):
        await add_person(MOTHER)
        child = await add_person("079326000001", sex="FEMALE", birth_date=date(2026, 11, 20))
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_personal_id, related_name, source)"
                " VALUES (:c, 'MOTHER', :m, NULL, 't'), (:c, 'FATHER', NULL, 'Nguyễn Văn Ba', 't')"
            ),
            {"c": child, "m": MOTHER},
        )
        await session.commit()
        of_child = (await client.get(url(child, "family_relations"), headers=insurer)).json()
        assert {(r["relation"], r["personal_id"], r["name"]) for r in of_child["family_relations"]} == {
            ("MOTHER", MOTHER, "Trần Thị Hoà"),
            ("FATHER", None, "Nguyễn Văn Ba"),
        }
        of_mother = (await client.get(url(MOTHER, "family_relations"), headers=insurer)).json()
        assert [(r["relation"], r["personal_id"]) for r in of_mother["family_relations"]] == [
            ("CHILD", child)
        ]

    async def test_relatives_asked_beside_other_questions_are_given_to_whoever_asked(
        self, client, insurer, add_person, session, disclosed
    ):
        await add_person(MOTHER)
        child = await add_person("079326000001", sex="FEMALE", birth_date=date(2026, 11, 20))
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_personal_id, source)"
                " VALUES (:c, 'MOTHER', :m, 't')"
            ),
            {"c": child, "m": MOTHER},
        )
        await session.commit()
        asked = [url(child), url(child, "family_relations"), url(MOTHER)]
        own, family, other = [
            reply.json()
            for reply in await asyncio.gather(*(client.get(path, headers=insurer) for path in asked))
        ]
        assert (own["personal_id"], other["personal_id"]) == (child, MOTHER)
        assert [r["personal_id"] for r in family["family_relations"]] == [MOTHER]
        told = sorted(sorted(record["subjects"]) for record in await disclosed())
        assert told == sorted([[child], sorted([child, MOTHER]), [MOTHER]])

    async def test_nobody_found_is_recorded_too(self, client, insurer, disclosed):
        reply = await client.get(url("079190999999"), headers=insurer)
        assert (reply.status_code, reply.json()["code"]) == (404, "person-not-found")
        (record,) = await disclosed()
        assert record["outcome"] == "NOT_FOUND"

    async def test_outside_the_scope_looks_like_unknown(
        self, client, agree, as_agency, add_person, disclosed
    ):
        agree(
            "X00070",
            {"population.get_person": [FieldGroup.SEX]},
            purposes=["CIVIL_REGISTRATION"],
            admin_scope=AdminScope(provinces=("01",)),
        )
        await add_person(MOTHER)
        headers = as_agency("X00070", purpose="CIVIL_REGISTRATION")
        outside = await client.get(url(MOTHER, "sex"), headers=headers)
        unknown = await client.get(url("079190999999", "sex"), headers=headers)
        strip = {"instance", "trace_id"}
        assert outside.status_code == unknown.status_code == 404
        assert {k: v for k, v in outside.json().items() if k not in strip} == {
            k: v for k, v in unknown.json().items() if k not in strip
        }
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND", "NOT_FOUND"]

    async def test_a_group_outside_the_agreement_is_refused_by_name(
        self, client, agree, as_agency, add_person, disclosed
    ):
        agree("B01", {"population.get_person": [FieldGroup.SEX]}, purposes=["CREDIT_INSTITUTION_KYC"])
        await add_person(MOTHER)
        reply = await client.get(
            url(MOTHER, "sex,religion"), headers=as_agency("B01", purpose="CREDIT_INSTITUTION_KYC")
        )
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")
        assert "religion" in reply.json()["detail"]
        assert await disclosed() == []

    @pytest.mark.parametrize("query", ["", "?fields=", "?fields=nothing", "?fields=sex&x=1"])
    async def test_bad_queries_are_refused(self, client, insurer, query):
        reply = await client.get(f"/population/v1/persons/{MOTHER}{query}", headers=insurer)
        assert reply.status_code == 422

    async def test_a_wrong_number_and_a_missing_caller_are_refused(self, client, insurer):
        assert (await client.get(url("12345"), headers=insurer)).status_code == 422
        assert (await client.get(url(MOTHER))).status_code == 401

    async def test_many_at_once_get_their_own_answers_and_one_record_each(
        self, client, insurer, add_person, disclosed
    ):
        numbers = [await add_person(f"0790880{n:05d}", given_name=f"An{n}") for n in range(40)]
        asked = [*numbers, *(f"0790889{n:05d}" for n in range(10))]
        replies = await asyncio.gather(*(client.get(url(n), headers=insurer) for n in asked))
        for number, reply in zip(numbers, replies, strict=False):
            assert reply.json()["personal_id"] == number
        assert [r.status_code for r in replies[40:]] == [404] * 10
        records = await disclosed()
        assert sorted(r["subjects"][0] for r in records) == sorted(asked)

    async def test_a_question_that_the_database_refuses_harms_nobody_else(
        self, client, insurer, add_person, disclosed
    ):
        await add_person(MOTHER)
        bad = {**insurer, "NDX-Request-Id": "x"}
        desk = client._transport.app.state.runtime.extras["persons.lookup_desk"]
        ask = desk.ask

        async def broken(lookup):
            return await ask(lookup._replace(purpose=None) if lookup.request_id == "x" else lookup)

        desk.ask = broken
        replies = await asyncio.gather(
            *(client.get(url(MOTHER), headers=bad if n == 3 else insurer) for n in range(8))
        )
        assert [r.status_code for r in replies] == [200] * 3 + [500] + [200] * 4
        assert len(await disclosed()) == 7

    async def test_a_full_queue_is_refused_at_once(self, client, insurer, add_person):
        desk = client._transport.app.state.runtime.extras["persons.lookup_desk"]
        desk._limit = 0
        reply = await client.get(url(MOTHER), headers=insurer)
        assert (reply.status_code, reply.json()["code"]) == (503, "service-overloaded")
        assert reply.headers["retry-after"] == "1"

    async def test_a_former_number_leads_to_its_holder(self, client, insurer, registry, add_person):
        await add_person(MOTHER)
        reply = await client.post(
            f"/population/v1/personal-ids/{MOTHER}/cancel",
            json={
                "cause": "BIRTH_YEAR_CORRECTED",
                "birth_date": "1991-05-17",
                "valid_from": "2026-11-01",
                "decision": {"number": "12/QĐ", "decided_on": "2026-11-01", "decided_by": "C06"},
            },
            headers=registry,
        )
        assert reply.status_code == 200, reply.text
        new = reply.json()["personal_id"]
        assert new[:6] == "079191"
        found = await client.get(url(MOTHER), headers=insurer)
        assert found.json()["personal_id"] == new
        assert found.json()["birth_date"] == "1991-05-17"
