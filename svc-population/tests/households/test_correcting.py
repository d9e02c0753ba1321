"""Past days of a household are corrected: these alone, on both clocks, with one head on each of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.households.periods import Spell, corrected, headed_wrongly

MOTHER, FATHER, CHILD = "079190000011", "079088000022", "079312000001"
URL = "/population/v1/households"
NAMES = ("form_household", "get_household", "correct_household", "change_household_head", "leave_household")
BORN, DAYS = date(2020, 1, 1), 12
PEOPLE = [UUID(int=n) for n in range(2)]
WORDS = (None, "HEAD", "CHILD")


def day(number: int) -> date:
    return BORN + timedelta(days=number)


class TestPeriods:
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(PEOPLE),
                st.sampled_from(WORDS),
                st.integers(0, DAYS - 1),
                st.integers(0, DAYS - 1),
            ),
            max_size=8,
        )
    )
    def test_each_day_has_the_last_word_and_two_heads_are_seen(self, made):
        spells = [Spell(person, "H", "CHILD", day(0), None) for person in PEOPLE]
        expected = {person: ["CHILD"] * (DAYS + 1) for person in PEOPLE}
        for person, word, one, other in made:
            first, last = sorted((one, other))
            told = None if word is None else Spell(person, "H", word, day(first), day(last + 1))
            spells = corrected(spells, {person: told}, "H", day(first), day(last))
            expected[person][first : last + 1] = [word] * (last + 1 - first)
        for person in PEOPLE:
            mine = [s for s in spells if s.person_id == person]
            found = [[s.relation for s in mine if s.covers(day(d))] for d in range(DAYS + 1)]
            assert found == [[] if word is None else [word] for word in expected[person]]
        doubled = [d for d in range(DAYS) if all(expected[p][d] == "HEAD" for p in PEOPLE)]
        wrong = headed_wrongly(spells, spells, "H", day(0), day(DAYS))
        assert wrong == (day(doubled[0]) if doubled else None)


@pytest.fixture
def police(agree, as_agency) -> dict[str, str]:
    groups = [FieldGroup.HOUSEHOLD, FieldGroup.RELATION_TO_HEAD]
    operations = {f"population.{n}": groups for n in (*NAMES, "get_person_as_of")}
    agree("G01", operations, purposes=["RESIDENCE_MANAGEMENT"])
    return as_agency("G01", system="police-office", purpose="RESIDENCE_MANAGEMENT", NDX_Case_Id="HS-1")


@pytest.fixture
async def home(client, police, add_person) -> str:
    """A household since 2020: the father its head, the mother his wife."""
    for parent in (MOTHER, FATHER):
        await add_person(parent)
    await add_person(CHILD, birth_date=date(2012, 1, 1))
    members = [
        {"personal_id": FATHER, "relation_to_head": "HEAD"},
        {"personal_id": MOTHER, "relation_to_head": "SPOUSE"},
    ]
    body = {"on": "2020-01-01", "document": "H", "province_code": "79", "commune_code": "26740"}
    made = await client.post(URL, json={**body, "members": members}, headers=police)
    assert made.status_code == 201, made.text
    number: str = made.json()["number"]
    return number


@pytest.fixture
def correct(client, police, home) -> Callable[..., Any]:
    async def send(first: str, last: str, *, headers: Any = None, **relations: str | None) -> Any:
        leaves = relations.pop("leaves", None) is not None
        members = [{"personal_id": n[1:], "relation_to_head": r} for n, r in relations.items()]
        body: dict[str, Any] = {"valid_from": first, "valid_to": last, "document": "HS-1"}
        body |= {"members": members, "leaves_former": leaves}
        used = {k: v for k, v in {**police, **(headers or {})}.items() if v}
        return await client.post(f"{URL}/{home}/corrections", json=body, headers=used)

    return send


@pytest.fixture
def on_days(client, police) -> Callable[..., Any]:
    async def read(person: str, *days: str, known_at: datetime | None = None) -> list[Any]:
        found = []
        for each in days:
            when = {"valid_at": each} | ({} if known_at is None else {"known_at": known_at.isoformat()})
            url = f"/population/v1/persons/{person}/as-of"
            past = await client.get(url, params={"fields": "relation_to_head", **when}, headers=police)
            assert past.status_code == 200, past.text
            found.append(past.json()["person"]["relation_to_head"])
        return found

    return read


class TestCorrectHousehold:
    async def test_another_head_of_past_days_and_today_as_it_was(
        self, client, police, home, correct, on_days, emitted, session
    ):
        told, before = len(await emitted()), datetime.now(UTC)
        both = {f"n{MOTHER}": "HEAD", f"n{FATHER}": "SPOUSE"}
        reply = await correct("2022-03-01", "2022-06-30", headers={"If-Match": '"2"'}, **both)
        assert reply.status_code == 200, reply.text
        now = {m["personal_id"]: m["relation_to_head"] for m in reply.json()["members"]}
        assert now == {FATHER: "HEAD", MOTHER: "SPOUSE"}
        mine = [m for m in reply.json()["former_members"] if m["personal_id"] == MOTHER]
        assert {(m["since"], m["ended_on"], m["relation_to_head"], m["end_cause"]) for m in mine} >= {
            ("2020-01-01", "2022-03-01", "SPOUSE", "RELATION_CHANGED"),
            ("2022-03-01", "2022-07-01", "HEAD", "RELATION_CHANGED"),
        }
        days = ("2022-02-28", "2022-03-01", "2022-06-30", "2022-07-01")
        assert await on_days(MOTHER, *days) == ["SPOUSE", "HEAD", "HEAD", "SPOUSE"]
        assert await on_days(FATHER, *days) == ["HEAD", "SPOUSE", "SPOUSE", "HEAD"]
        assert await on_days(MOTHER, *days, known_at=before) == ["SPOUSE"] * 4
        events = (await emitted())[told:]
        kinds = sorted((e["type"].split(".")[1], e["data"]["personal_id"]) for e in events)
        assert kinds == sorted(
            (kind, person) for kind in ("household-changed", "person-changed") for person in (MOTHER, FATHER)
        )
        audit = "SELECT count(*) FROM audit_entries WHERE action = 'household_corrected'"
        assert (await session.execute(text(audit))).scalar_one() == 1
        again = await correct("2022-03-01", "2022-06-30", headers={"If-Match": '"2"'}, **both)
        assert again.json()["version"] == reply.json()["version"]
        # What runs today can be changed as before.
        left = await client.post(
            f"{URL}/{home}/members/{MOTHER}/leave",
            json={"on": "2026-01-01", "document": "H"},
            headers=police,
        )
        assert left.status_code == 200, left.text

    async def test_who_lived_there_for_a_time_and_who_did_not(self, correct, on_days):
        reply = await correct("2021-01-01", "2021-12-31", **{f"n{CHILD}": "CHILD", f"n{MOTHER}": None})
        assert reply.status_code == 200, reply.text
        assert await on_days(CHILD, "2020-12-31", "2021-06-01", "2022-01-01") == [None, "CHILD", None]
        assert await on_days(MOTHER, "2020-12-31", "2021-06-01", "2022-01-01") == ["SPOUSE", None, "SPOUSE"]

    async def test_another_household_is_left_only_when_that_is_said_and_keeps_its_head(
        self, client, police, correct, on_days, add_person
    ):
        other = "079080000002"
        await add_person(other)
        members = [
            {"personal_id": other, "relation_to_head": "HEAD"},
            {"personal_id": CHILD, "relation_to_head": "CHILD"},
        ]
        body = {"on": "2020-01-01", "document": "H", "province_code": "79", "commune_code": "26740"}
        assert (await client.post(URL, json={**body, "members": members}, headers=police)).status_code == 201
        refused = await correct("2021-01-01", "2021-12-31", **{f"n{CHILD}": "CHILD"})
        assert (refused.status_code, refused.json()["code"]) == (409, "household-member-elsewhere")
        headless = await correct(
            "2021-01-01", "2021-12-31", leaves="yes", **{f"n{other}": "OTHER", f"n{CHILD}": None}
        )
        assert headless.json()["code"] == "household-member-elsewhere"
        headless = await correct("2021-01-01", "2021-12-31", leaves="yes", **{f"n{other}": "OTHER"})
        assert (headless.status_code, headless.json()["code"]) == (409, "household-head-needed")
        done = await correct("2021-01-01", "2021-12-31", leaves="yes", **{f"n{CHILD}": "CHILD"})
        assert done.status_code == 200, done.text
        assert await on_days(CHILD, "2020-06-01", "2021-06-01", "2022-06-01") == ["CHILD"] * 3

    @pytest.mark.parametrize(
        ("first", "last", "relations", "headers", "code"),
        [
            ("2021-01-01", "2020-12-31", {f"n{CHILD}": "CHILD"}, {}, "household-dates-invalid"),
            ("2021-01-01", "2199-01-01", {f"n{CHILD}": "CHILD"}, {}, "household-dates-invalid"),
            ("2019-12-31", "2020-12-31", {f"n{CHILD}": "CHILD"}, {}, "household-dates-invalid"),
            ("2021-01-01", "2021-12-31", {f"n{MOTHER}": "HEAD"}, {}, "household-head-needed"),
            ("2021-01-01", "2021-12-31", {f"n{FATHER}": None}, {}, "household-head-needed"),
            ("2021-01-01", "2021-12-31", {"n079999999999": "CHILD"}, {}, "person-not-found"),
            ("2021-01-01", "2021-12-31", {f"n{CHILD}": "CHILD"}, {"NDX-Case-Id": ""}, "case-missing"),
            (
                "2021-01-01",
                "2021-12-31",
                {f"n{CHILD}": "CHILD"},
                {"If-Match": "9"},
                "household-version-conflict",
            ),
        ],
    )
    async def test_what_does_not_fit_is_refused_and_changes_nothing(
        self, correct, emitted, first, last, relations, headers, code
    ):
        told = len(await emitted())
        reply = await correct(first, last, headers=headers, **relations)
        assert reply.json()["code"] == code
        assert len(await emitted()) == told
