"""A number is cancelled and re-established for the causes of the law alone; the old one leads on for ever."""

import asyncio
from datetime import date
from typing import Any

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

MOTHER = "079190000011"
DECISION = {"number": "12/QĐ-C06", "decided_on": "2026-11-01", "decided_by": "C06"}


def cancellation(cause: str, **facts: Any) -> dict[str, Any]:
    return {"cause": cause, "decision": DECISION, "valid_from": "2026-11-01", **facts}


@pytest.fixture
def cancel(client, registry):
    async def send(number: str, body: dict[str, Any], key: str | None = None) -> Any:
        headers = registry if key is None else registry | {"Idempotency-Key": key}
        return await client.post(f"/population/v1/personal-ids/{number}/cancel", json=body, headers=headers)

    return send


class TestCancel:
    @pytest.mark.parametrize(
        ("body", "digits", "changed"),
        [
            (cancellation("SEX_REDETERMINED", sex="MALE"), "079090", {"sex": "MALE"}),
            (cancellation("BIRTH_YEAR_CORRECTED", birth_date="1991-05-17"), "079191", {}),
            (cancellation("WRONG_ENTRY", birth_registration_province_code="01"), "001190", {}),
            (cancellation("WRONG_ENTRY", sex="MALE", birth_date="2001-05-17"), "079201", {"sex": "MALE"}),
        ],
    )
    async def test_each_cause_of_the_law_gives_a_number_of_the_corrected_facts(
        self, cancel, add_person, session, emitted, disclosed, body, digits, changed
    ):
        await add_person(MOTHER)
        reply = await cancel(MOTHER, body)
        assert reply.status_code == 200, reply.text
        number = reply.json()["personal_id"]
        assert (reply.json()["old_personal_id"], number[:6]) == (MOTHER, digits)
        found = await session.execute(text("SELECT * FROM persons WHERE personal_id = :n"), {"n": number})
        row = found.mappings().one()
        assert row["sex"] == changed.get("sex", "FEMALE")
        assert row["birth_date"].isoformat() == body.get("birth_date", "1990-05-17")
        (event,) = [e for e in await emitted() if e["type"] == "population.personal-id-cancelled.v1"]
        assert (event["data"]["old_personal_id"], event["data"]["superseded_by"]) == (MOTHER, number)
        (record,) = await disclosed()
        assert (record["outcome"], record["subjects"]) == ("DISCLOSED", [number])

    @pytest.mark.parametrize(
        ("body", "member"),
        [
            (cancellation("SEX_REDETERMINED"), "sex"),
            (cancellation("SEX_REDETERMINED", sex="FEMALE"), "sex"),
            (cancellation("BIRTH_YEAR_CORRECTED", birth_date="1990-06-17"), "birth_date"),
            (cancellation("WRONG_ENTRY"), "cause"),
            (cancellation("WRONG_ENTRY", birth_date="1990-06-17"), "cause"),
            (
                cancellation("WRONG_ENTRY", birth_registration_province_code="99"),
                "birth_registration_province_code",
            ),
            # A cause changes what it is about and nothing beside it.
            (cancellation("SEX_REDETERMINED", sex="MALE", birth_date="1985-01-01"), "birth_date"),
            (cancellation("BIRTH_YEAR_CORRECTED", birth_date="1991-05-17", sex="MALE"), "sex"),
            (
                cancellation("SEX_REDETERMINED", sex="MALE", birth_registration_province_code="01"),
                "birth_registration_province_code",
            ),
            (
                cancellation("SEX_REDETERMINED", sex="MALE", birth_registration_commune_code="00004"),
                "birth_registration_commune_code",
            ),
        ],
    )
    async def test_what_the_law_does_not_list_changes_nothing(
        self, cancel, add_person, session, emitted, body, member
    ):
        await add_person(MOTHER)
        reply = await cancel(MOTHER, body)
        assert (reply.status_code, reply.json()["code"]) == (422, "cancellation-not-lawful"), reply.text
        assert member in {error["field"] for error in reply.json()["errors"]}
        assert await emitted() == []
        assert (await session.scalars(text("SELECT personal_id FROM persons"))).all() == [MOTHER]

    async def test_no_other_cause_is_known(self, cancel, add_person):
        await add_person(MOTHER)
        reply = await cancel(MOTHER, cancellation("HOLDER_WISHES_IT", sex="MALE"))
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")


class TestFormerNumbers:
    async def test_each_of_them_leads_to_the_last_one_and_is_never_cancelled_again_or_given_out(
        self, cancel, client, insurer, add_person
    ):
        await add_person(MOTHER)
        numbers = [MOTHER]
        for body in (
            cancellation("SEX_REDETERMINED", sex="MALE"),
            cancellation("BIRTH_YEAR_CORRECTED", birth_date="1991-05-17"),
            # Back to what the first number was made of: that number is not given again.
            cancellation("WRONG_ENTRY", sex="FEMALE", birth_date="1990-05-17"),
        ):
            reply = await cancel(numbers[-1], body)
            assert reply.status_code == 200, reply.text
            numbers.append(reply.json()["personal_id"])
        assert len(set(numbers)) == 4
        for former in numbers[:-1]:
            read = await client.get(f"/population/v1/persons/{former}?fields=personal_id", headers=insurer)
            assert read.json()["personal_id"] == numbers[-1], read.text
            again = await cancel(former, cancellation("SEX_REDETERMINED", sex="MALE"))
            assert (again.status_code, again.json()["code"]) == (409, "personal-id-already-cancelled")

    async def test_of_several_at_once_one_is_done_and_a_repetition_is_the_same(self, cancel, add_person):
        await add_person(MOTHER)
        body = cancellation("SEX_REDETERMINED", sex="MALE")
        answers = await asyncio.gather(*(cancel(MOTHER, body, key=f"key-{n}") for n in range(4)))
        done = [a for a in answers if a.status_code == 200]
        assert len(done) == 1, [a.text for a in answers]
        assert {a.json()["code"] for a in answers if a is not done[0]} == {"personal-id-already-cancelled"}
        key = done[0].request.headers["Idempotency-Key"]
        assert (await cancel(MOTHER, body, key=key)).json() == done[0].json()


class TestDoor:
    async def test_nobody_elsewhere_and_nobody_dead(self, cancel, client, add_person, agree, as_agency):
        await add_person(MOTHER, life_status="DECEASED", death_or_missing_date=date(2026, 1, 2))
        body = cancellation("SEX_REDETERMINED", sex="MALE")
        assert (await cancel(MOTHER, body)).json()["code"] == "person-locked"
        agree(
            "G02",
            {"population.cancel_personal_id": [FieldGroup.PERSONAL_ID]},
            purposes=["CIVIL_REGISTRATION"],
            admin_scope=AdminScope(provinces=("01",)),
        )
        elsewhere = await client.post(
            f"/population/v1/personal-ids/{MOTHER}/cancel",
            json=body,
            headers=as_agency("G02", system="civil-registry", purpose="CIVIL_REGISTRATION"),
        )
        assert (elsewhere.status_code, elsewhere.json()["code"]) == (404, "person-not-found")
