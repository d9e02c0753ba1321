"""Each number can be explained by the people behind it, and each one shown is recorded."""

import base64
from datetime import date

import httpx
import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

from .conftest import BASE, FULL, GOOD, recount_before, unit


@pytest.mark.usefixtures("counted")
class TestFaultyPersons:
    async def test_the_people_behind_a_number_are_shown_and_recorded(
        self, client, office, add_person, disclosed
    ):
        for n in range(1, 4):
            await add_person(f"04608800000{n}", **{**FULL, "ethnicity_code": None if n < 3 else "01"})
        asked = {"rule": "ethnicity-missing", "commune_code": "26740", "limit": 1}
        seen: list[tuple[str, dict[str, object]]] = []
        cursor = None
        while cursor or not seen:
            page = {**asked, **({"cursor": cursor} if cursor else {})}
            body = (await client.get(f"{BASE}/faulty-persons", params=page, headers=office)).json()
            seen += [(p["personal_id"], p["recorded"]) for p in body["items"]]
            cursor = body["next_cursor"]
        assert sorted(seen) == [(f"04608800000{n}", {"ethnicity_code": None}) for n in (1, 2)]
        assert body["agencies"] == ["G02"]
        records = await disclosed()
        assert sorted(s for r in records for s in r["subjects"]) == ["046088000001", "046088000002"]
        assert {tuple(r["field_groups"]) for r in records} == {("ethnicity", "personal_id")}

    async def test_a_cursor_tells_nothing_and_leads_on_in_its_own_list_only(
        self, client, office, add_person, session
    ):
        for n in range(1, 4):
            await add_person(f"04608800000{n}", **{**FULL, "ethnicity_code": None, "phone": None})
        asked = {"rule": "ethnicity-missing", "commune_code": "26740", "limit": 1}

        async def page(**more: object) -> httpx.Response:
            return await client.get(f"{BASE}/faulty-persons", params={**asked, **more}, headers=office)

        first, again = [(await page()).json()["next_cursor"] for _ in range(2)]
        assert first != again, "the same person behind it shows"
        people = (await session.scalars(text("SELECT person_id::text FROM persons"))).all()
        raw = base64.urlsafe_b64decode(first + "=" * (-len(first) % 4))
        for person in people:
            assert person not in first
            assert bytes.fromhex(person.replace("-", "")) not in raw
        changed = first[:-2] + ("AA" if first[-2:] != "AA" else "BB")
        for wrong in (
            {"cursor": people[0]},
            {"cursor": changed},
            {"cursor": "é"},
            {"cursor": first, "rule": "contact-missing"},
            {"cursor": first, "commune_code": "00070"},
        ):
            reply = await page(**wrong)
            assert (reply.status_code, reply.json()["code"]) == (400, "cursor-invalid"), wrong

    async def test_a_recount_that_ends_meanwhile_shows_nobody_wrongly(
        self, client, office, add_person, runtime, monkeypatch
    ):
        await add_person(GOOD, **FULL)
        recount_before(monkeypatch, runtime, "people")
        asked = {"rule": "permanent-commune-unknown", "commune_code": "26740"}
        reply = await client.get(f"{BASE}/faulty-persons", params=asked, headers=office)
        assert (reply.status_code, reply.json()["items"]) == (200, [])

    async def test_every_rule_lists_as_many_as_it_counts(self, client, office, add_person):
        await add_person(
            "000199000001",
            given_name="An1 ",
            surname="Le\u0302",
            birth_date=date(1910, 1, 1),
            permanent_commune_code="00016",
            permanent_province_code="79",
            permanent_address="Le\u0302 Lợi",
            temporary_since=date(2026, 1, 2),
            temporary_until=date(2026, 1, 1),
            absence_until=date(2026, 1, 1),
            phone="1",
            legacy_id_number="1",
        )
        counted = {r["rule"]: r["broken"] for r in (await unit(client, office, level="COMMUNE"))["rules"]}
        assert sum(counted.values()) > 15
        for rule, number in counted.items():
            asked = {"rule": rule, "commune_code": "00016"}
            body = (await client.get(f"{BASE}/faulty-persons", params=asked, headers=office)).json()
            assert len(body["items"]) == number, rule

    async def test_refusals(self, client, agree, as_agency, add_person):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None})
        agree(
            "G05",
            {"population.list_faulty_persons": [FieldGroup.PERSONAL_ID, FieldGroup.ETHNICITY]},
            admin_scope=AdminScope(provinces=("01",)),
            purposes=["STATISTICS"],
        )
        hanoi = as_agency("G05", system="quality", purpose="STATISTICS")
        asked = {"commune_code": "26740"}
        for rule, status, code in (
            ("home-town-missing", 403, "field-group-not-covered"),
            ("no-such-rule", 404, "quality-rule-unknown"),
        ):
            params = {"rule": rule, **asked}
            reply = await client.get(f"{BASE}/faulty-persons", params=params, headers=hanoi)
            assert (reply.status_code, reply.json()["code"]) == (status, code)
        params = {"rule": "ethnicity-missing", **asked}
        reply = await client.get(f"{BASE}/faulty-persons", params=params, headers=hanoi)
        assert (reply.status_code, reply.json()["items"]) == (200, [])
