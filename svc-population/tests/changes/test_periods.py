"""A correction with a last day changes the days it names and no other, on both clocks."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from svc_population.changes.periods import versions
from svc_population.changes.schemas import CHANGEABLE
from svc_population.histories.schemas import GROUPS
from svc_population.persons.reconstruction import as_of, steps

MOTHER = "079190000011"
URL = f"/population/v1/persons/{MOTHER}"
DOCUMENT = {"kind": "decision", "number": "12/QĐ", "issued_by": "UBND", "issued_on": "2026-11-02"}
START, BORN, DAYS = datetime(2026, 1, 1, tzinfo=UTC), date(2000, 1, 1), 12
LAST = datetime.max.replace(tzinfo=UTC)


@dataclass
class Row:
    version: int
    before: dict[str, Any]
    valid_from: date
    recorded_at: datetime


@dataclass
class Register:
    """Does what the service does: each version moves what was before into the history."""

    record: dict[str, Any] = field(
        default_factory=lambda: {
            "religion": None,
            "phone": None,
            "version": 1,
            "recorded_at": START.isoformat(),
        }
    )
    rows: list[Row] = field(default_factory=list)

    def write(self, day: date, news: dict[str, Any]) -> None:
        version = self.record["version"] + 1
        at = START + timedelta(days=version)
        before = {name: self.record[name] for name in (*news, "recorded_at")} | {"source": "x"}
        self.rows.append(Row(version, before, day, at))
        self.record |= {**news, "version": version, "recorded_at": at.isoformat()}

    def on(self, day: int) -> dict[str, Any]:
        found = as_of(steps(self.record, self.rows), valid_at=BORN + timedelta(days=day), known_at=LAST)
        assert found is not None
        return {name: found[1][name] for name in ("religion", "phone")}


words = st.dictionaries(st.sampled_from(["religion", "phone"]), st.integers(0, 3), min_size=1)
days = st.integers(0, DAYS)
corrections = st.lists(st.tuples(words, days, st.none() | days), max_size=8)


class TestVersions:
    @given(corrections)
    def test_each_day_has_the_last_word_that_was_said_about_it(self, made):
        register = Register()
        expected: list[dict[str, Any]] = [{"religion": None, "phone": None} for _ in range(DAYS + 2)]
        for news, first, last in made:
            if last is None:
                register.write(BORN + timedelta(days=first), news)
            elif last >= first:
                begin, end = (BORN + timedelta(days=d) for d in (first, last))
                today = {name: register.record[name] for name in news}
                told = versions(steps(register.record, register.rows), news, first=begin, last=end)
                said_already = all(
                    expected[d][name] == value for d in range(first, last + 1) for name, value in news.items()
                )
                assert (told == []) is said_already
                for day, values in told:
                    register.write(day, values)
                assert {name: register.record[name] for name in news} == today
            for at in range(first, DAYS + 2 if last is None else last + 1):
                expected[at] |= news
        assert [register.on(day) for day in range(DAYS + 2)] == expected


@pytest.fixture
def reader(agree, as_agency):
    operations = ("population.get_person_as_of", "population.list_person_versions")
    agree("T01", {name: list(GROUPS) for name in operations}, purposes=["JUDICIAL_PROCEEDINGS"])
    return as_agency("T01", purpose="JUDICIAL_PROCEEDINGS")


@pytest.fixture
def send(client, agree, as_agency):
    """Change the mother's record as the police do."""
    agree("G01", {"population.change_person": list(CHANGEABLE)}, purposes=["RESIDENCE_MANAGEMENT"])
    headers = as_agency("G01", purpose="RESIDENCE_MANAGEMENT", NDX_Case_Id="HS-1")

    async def send(version: int, since: str | None, until: str | None, kind: str = "CORRECTION", **groups):
        body = {"kind": kind, "document": DOCUMENT, "changes": groups}
        body |= {"effective_from": since} if since else {}
        body |= {"effective_to": until} if until else {}
        return await client.patch(URL, json=body, headers={**headers, "If-Match": str(version)})

    return send


class TestCorrectionOfAPeriod:
    async def test_its_days_alone_are_corrected_and_nothing_of_today(
        self, client, send, reader, add_person, session, emitted, disclosed
    ):
        await add_person(MOTHER, religion=None)
        assert (await send(1, "2012-01-01", None, "CHANGE", religion="Phật giáo")).json()["version"] == 2
        assert (await send(2, "2017-01-01", None, "CHANGE", religion="Cao Đài")).json()["version"] == 3
        before = datetime.now(UTC)
        was = (await session.execute(text("SELECT to_jsonb(p) FROM persons p"))).scalar_one()
        events = len(await emitted())
        reply = await send(3, "2010-03-01", "2015-06-30", religion="Công giáo")
        assert (reply.status_code, reply.json()) == (200, {"version": 6, "changed": ["religion"]})
        assert reply.headers["etag"] == '"6"'
        for moment, expected in (
            (None, (None, "Công giáo", "Công giáo", "Phật giáo", "Phật giáo", "Cao Đài")),
            (before, (None, None, "Phật giáo", "Phật giáo", "Phật giáo", "Cao Đài")),
        ):
            found = []
            for day in ("2010-02-28", "2010-03-01", "2015-06-30", "2015-07-01", "2016-12-31", "2017-01-01"):
                when = {"valid_at": day} | ({} if moment is None else {"known_at": moment.isoformat()})
                past = await client.get(f"{URL}/as-of", params={"fields": "religion", **when}, headers=reader)
                found.append(past.json()["person"]["religion"])
            assert tuple(found) == expected
        await session.rollback()
        now = (await session.execute(text("SELECT to_jsonb(p) FROM persons p"))).scalar_one()
        own = {"version", "recorded_at", "source"}
        assert {n: v for n, v in now.items() if n not in own} == {
            n: v for n, v in was.items() if n not in own
        }
        (event,) = (await emitted())[events:]
        assert (event["data"]["version"], event["data"]["changed"]) == (6, ["religion"])
        assert "Công giáo" not in str(event)
        assert (await disclosed())[2]["outcome"] == "NOT_MATCHED"
        history = await client.get(f"{URL}/history", params={"fields": "religion"}, headers=reader)
        shown = [
            (i["effective_from"], i["kind"], i["after"]["religion"]) for i in history.json()["items"][:3]
        ]
        assert shown == [
            ("2017-01-01", "CORRECTION", "Cao Đài"),
            ("2015-07-01", "CORRECTION", "Phật giáo"),
            ("2010-03-01", "CORRECTION", "Công giáo"),
        ]
        # The same once more says nothing new, whatever the version.
        again = await send(3, "2010-03-01", "2015-06-30", religion="Công giáo")
        assert (again.status_code, again.json()) == (200, {"version": 6, "changed": []})
        # What is new may not lie before what the record says of later days.
        late = await send(6, "2016-01-01", None, "CHANGE", religion="Phật giáo")
        assert (late.status_code, late.json()["code"]) == (409, "later-change-known")

    async def test_the_value_of_today_may_have_held_before(self, client, send, reader, add_person):
        await add_person(MOTHER, religion=None)
        await send(1, "2017-01-01", None, "CHANGE", religion="Cao Đài")
        reply = await send(2, "2010-01-01", "2010-12-31", religion="Cao Đài")
        assert reply.json()["changed"] == ["religion"]
        found = []
        for day in ("2009-12-31", "2010-06-01", "2011-01-01", "2020-01-01"):
            params = {"fields": "religion", "valid_at": day}
            found.append((await client.get(f"{URL}/as-of", params=params, headers=reader)).json())
        assert [one["person"]["religion"] for one in found] == [None, "Cao Đài", None, "Cao Đài"]

    @pytest.mark.parametrize(
        ("since", "until", "kind", "groups", "code"),
        [
            ("2015-01-01", "2014-12-31", "CORRECTION", {"religion": "x"}, "impossible-date"),
            ("2015-01-01", "9999-12-31", "CORRECTION", {"religion": "x"}, "not-over"),
            ("1980-01-01", "1989-12-31", "CORRECTION", {"religion": "x"}, "before-birth"),
            ("2015-01-01", "2015-12-31", "CORRECTION", {"birth_date": "1990-01-02"}, "no-period"),
            ("2015-01-01", "2015-12-31", "CORRECTION", {"card_history": []}, "no-period"),
            ("2015-01-01", "2015-12-31", "CHANGE", {"religion": "x"}, None),
            (None, "2015-12-31", "CORRECTION", {"religion": "x"}, None),
        ],
    )
    async def test_what_is_no_period_is_refused(
        self, send, add_person, session, since, until, kind, groups, code
    ):
        await add_person(MOTHER)
        reply = await send(1, since, until, kind, **groups)
        assert (reply.status_code, reply.json()["code"]) == (422, "invalid-input")
        if code is not None:
            assert code in {e["code"] for e in reply.json()["errors"]}
        assert not (await session.execute(text("SELECT 1 FROM person_history"))).all()

    async def test_it_was_decided_on_the_record_as_it_is(self, send, add_person):
        await add_person(MOTHER)
        await send(1, "2012-01-01", None, "CHANGE", religion="Phật giáo")
        reply = await send(1, "2010-01-01", "2011-01-01", religion="Cao Đài")
        assert (reply.status_code, reply.json()["code"]) == (412, "person-version-conflict")
