"""Nobody finds out by matching what may not be guessed at by verification, nor who lives elsewhere."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from ndx_contracts.agreements import AdminScope, Conditions
from ndx_contracts.events import ConsentChanged
from sqlalchemy import text
from svc_population.matching.schemas import MATCHED_BY, SHOWN

URL = "/population/v1/match"
SEARCH = "/population/v1/persons/search"
HOA, LAN, ELSEWHERE, NOBODY = "079190000011", "079190000012", "079190000013", "079190000099"
STATED = {"name": "Trần Thị Hòa", "birth_date": "1990-05-17"}
HERE = {**STATED, "commune_code": "26740"}
UNLIKE = {"zone": "NO", "personal_id": None, "reasons": ["nobody-like-this"]}


@pytest.fixture
def service_settings(service_settings):
    return {**service_settings, "match_misses": 4}


@pytest.fixture
def agency(agree, as_agency):
    def make(conditions: Conditions | None = None, **scope: Any) -> dict[str, str]:
        operations = {"match_person": MATCHED_BY, "verify_person": MATCHED_BY, "search_persons": SHOWN}
        agree(
            "G03",
            {f"population.{name}": list(groups) for name, groups in operations.items()},
            purposes=["SOCIAL_INSURANCE"],
            admin_scope=AdminScope(**scope),
            conditions=conditions or Conditions(),
        )
        return as_agency("G03", system="insurance-link", purpose="SOCIAL_INSURANCE")

    return make


async def tried(client, headers: dict[str, str], days: range, **stated: str) -> list[tuple[int, Any]]:
    """Match a name with one day of May 1990 after the other; return status, and zone or code."""
    told = []
    for day in days:
        body = {**HERE, **stated, "birth_date": f"1990-05-{day:02d}"}
        reply = await client.post(URL, json=body, headers=headers)
        told.append((reply.status_code, reply.json().get("zone") or reply.json()["code"]))
    return told


class TestGuessing:
    async def test_a_birth_date_is_not_found_by_trying_days_with_a_name_and_a_commune(
        self, client, agency, add_person, disclosed
    ):
        await add_person(HOA)
        told = await tried(client, agency(), range(10, 20))
        # The seventeenth is the right day.
        assert told == [(200, "NO")] * 4 + [(429, "too-many-wrong-guesses")] * 6
        assert [(r["outcome"], r["subjects"]) for r in await disclosed()] == [("NOT_FOUND", [])] * 4

    async def test_other_spellings_and_evidence_are_the_same_name(self, client, agency, add_person):
        await add_person(HOA)
        await tried(client, agency(), range(10, 14))
        for more in (
            {"name": "tran hoa"},
            {"name": "Trần Thị Ngọc Hoà"},
            {"name": "Hòa Thị Trần"},
            {"legacy_id_number": "024000000"},
            {"personal_id": NOBODY},
        ):
            assert await tried(client, agency(), range(17, 18), **more) == [(429, "too-many-wrong-guesses")]
        # Another year, or another name, has guesses of its own.
        reply = await client.post(URL, json={**HERE, "birth_date": "1985-05-17"}, headers=agency())
        assert reply.json() == UNLIKE
        assert await tried(client, agency(), range(17, 18), name="Trần Thị Lan") == [(200, "NO")]

    async def test_who_states_the_number_is_answered_whatever_was_tried_without(
        self, client, agency, add_person
    ):
        await add_person(HOA)
        await tried(client, agency(), range(10, 15))
        assert await tried(client, agency(), range(17, 18), personal_id=HOA) == [(200, "SURE")]

    async def test_when_guesses_at_verification_are_used_up_matching_says_no_of_right_and_wrong_days(
        self, client, agency, add_person, disclosed
    ):
        await add_person(HOA)
        headers = agency()
        wrong = {"claims": [{"kind": "EQUALS", "field": "birth_date", "value": "1991-01-01"}]}
        for _ in range(3):
            await client.post(f"/population/v1/persons/{HOA}/verify", json=wrong, headers=headers)
        replies = [
            await client.post(URL, json={**HERE, "birth_date": f"1990-05-{day}"}, headers=headers)
            for day in (16, 17)
        ]
        assert [r.json() for r in replies] == [UNLIKE, UNLIKE]
        assert [(r["outcome"], r["subjects"]) for r in (await disclosed())[3:]] == [("NOT_FOUND", [])] * 2

    async def test_an_old_number_is_not_guessed_at_under_the_names_of_others(
        self, client, agency, add_person, disclosed
    ):
        await add_person(HOA, legacy_id_number="024111222")
        names = ("An", "Bình", "Cúc", "Dung")
        for n, name in enumerate(names):
            await add_person(f"07908800001{n}", given_name=name)
        told = []
        for name in names:
            body = {"name": f"Lê {name}", "birth_date": "1988-05-17", "commune_code": "26740"}
            reply = await client.post(URL, json={**body, "legacy_id_number": "024111222"}, headers=agency())
            told.append(reply.json().get("zone") or reply.json()["code"])
        assert told == ["SURE"] * 3 + ["too-many-wrong-guesses"]
        records = await disclosed()
        assert [r["subjects"] for r in records] == [
            *([f"07908800001{n}", HOA] for n in range(3)),
            [HOA],
        ]


class TestElsewhere:
    async def test_a_number_outside_the_scope_is_answered_as_one_that_nobody_has(
        self, client, agency, add_person, disclosed
    ):
        here = {"permanent_province_code": "01", "permanent_commune_code": "00070"}
        await add_person(HOA, legacy_id_number="024111222", **here)
        await add_person(ELSEWHERE, birth_date=date(1980, 1, 2))
        headers = agency(provinces=("01",))
        stated = {**STATED, "legacy_id_number": "024111222"}
        replies = [
            await client.post(URL, json={**stated, "personal_id": number}, headers=headers)
            for number in (ELSEWHERE, NOBODY)
        ]
        assert replies[0].json() == replies[1].json()
        assert [r["subjects"] for r in await disclosed()] == [[HOA]] * 2


class TestConsent:
    async def give(self, deliver, number: str) -> None:
        now = datetime.now(UTC)
        await deliver(
            ConsentChanged.model_validate(
                {
                    "consent_id": uuid4(),
                    "personal_id": number,
                    "agency": "G03",
                    "purpose": "SOCIAL_INSURANCE",
                    "field_groups": tuple(MATCHED_BY),
                    "given_at": now,
                    "valid_until": now + timedelta(days=30),
                }
            )
        )

    async def test_who_did_not_consent_is_matched_and_found_as_nobody_is(
        self, client, agency, add_person, deliver, disclosed
    ):
        await add_person(HOA, legacy_id_number="024111222")
        headers = agency(Conditions(consent_required=True))
        old = {**STATED, "legacy_id_number": "024111222"}
        search = {**STATED, "fields": ["personal_id"]}
        for body in (HERE, old, {**old, "birth_date": "1970-01-02"}):
            reply = await client.post(URL, json=body, headers=headers)
            assert (reply.status_code, reply.json()) == (200, UNLIKE)
        reply = await client.post(SEARCH, json=search, headers=headers)
        assert (reply.status_code, reply.json()["items"]) == (200, [])
        for number in (HOA, NOBODY):
            reply = await client.post(URL, json={**STATED, "personal_id": number}, headers=headers)
            assert (reply.status_code, reply.json()["code"]) == (403, "consent-missing")
        assert {(r["outcome"], *r["subjects"]) for r in await disclosed()} == {("NOT_FOUND",)}
        await self.give(deliver, HOA)
        reply = await client.post(URL, json=HERE, headers=headers)
        assert (reply.json()["zone"], reply.json()["personal_id"]) == ("SURE", HOA)
        reply = await client.post(SEARCH, json=search, headers=headers)
        assert [i["person"] for i in reply.json()["items"]] == [{"personal_id": HOA}]

    async def test_a_search_shows_those_who_consented(self, client, agency, add_person, deliver, disclosed):
        await add_person(HOA)
        await add_person(
            LAN, surname="Trần", middle_name="Thị", given_name="Hòa", birth_date=date(1990, 5, 17)
        )
        await self.give(deliver, LAN)
        headers = agency(Conditions(consent_required=True))
        reply = await client.post(SEARCH, json={**STATED, "fields": ["personal_id"]}, headers=headers)
        assert reply.status_code == 200, reply.text
        assert [i["person"]["personal_id"] for i in reply.json()["items"]] == [LAN]
        assert [(r["outcome"], r["subjects"]) for r in await disclosed()] == [("DISCLOSED", [LAN])]


async def test_the_guards_hold_no_name(client, agency, add_person, session):
    await add_person(HOA)
    await tried(client, agency(), range(10, 12))
    (key,) = await session.scalars(text("SELECT personal_id FROM verification_guards"))
    assert key.startswith("#")
    assert "HOA" not in key.upper()
