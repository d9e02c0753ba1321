"""Past days of a residence are corrected: they alone, on both clocks, within the rules that hold each day."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from svc_population.admin_units.service import today

MOTHER = "079190000011"
PERSON = f"/population/v1/persons/{MOTHER}"
URL = f"{PERSON}/residences"
HOME, HANOI, WARD = ("79", "26740"), ("01", "00070"), ("79", "26743")
Send = Callable[..., Any]


@pytest.fixture
def send(client, police) -> Send:
    async def send(
        first: str, last: str, place: tuple[str, str] | None = None, *, headers: Any = None, **values: Any
    ):
        body = {"kind": "PERMANENT", "valid_from": first, "valid_to": last, "basis": {"document": "HS-1"}}
        if place:
            body |= dict(zip(("province_code", "commune_code"), place, strict=True))
        extra = {"NDX-Case-Id": "HS-1"} if headers is None else headers
        return await client.post(f"{URL}/corrections", json={**body, **values}, headers={**police, **extra})

    return send


@pytest.fixture
def on_days(client, police, send) -> Send:
    async def read(*days: str, fields: str = "permanent_residence", known_at: datetime | None = None):
        found = []
        for day in days:
            when = {"valid_at": day} | ({} if known_at is None else {"known_at": known_at.isoformat()})
            past = await client.get(f"{PERSON}/as-of", params={"fields": fields, **when}, headers=police)
            assert past.status_code == 200, past.text
            there = past.json()["person"][fields]
            found.append(None if there is None else (there["commune_code"], there["since"]))
        return found

    return read


def periods(reply: Any) -> list[tuple[Any, ...]]:
    items = reply.json()["items"]
    found = [(r["valid_from"], r["valid_to"], r["commune_code"], r["state"]) for r in items]
    return sorted(found, key=lambda p: (p[0], p[1] or "9"))


class TestCorrectResidences:
    async def test_its_days_alone_change_and_both_clocks_tell(
        self, client, police, send, on_days, add_person, emitted, disclosed, session, insurer
    ):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        before = datetime.now(UTC)
        reply = await send("2023-03-01", "2023-06-30", HANOI, headers={"NDX-Case-Id": "1", "If-Match": '"1"'})
        assert reply.status_code == 200, reply.text
        assert periods(reply) == [
            ("2020-01-01", "2023-02-28", "26740", "ENDED"),
            ("2020-01-01", None, "26740", "REVOKED"),
            ("2023-03-01", "2023-06-30", "00070", "ENDED"),
            ("2023-07-01", None, "26740", "REGISTERED"),
        ]
        days = ("2023-02-28", "2023-03-01", "2023-06-30", "2023-07-01", "2026-01-01")
        home, there, again = ("26740", "2020-01-01"), ("00070", "2023-03-01"), ("26740", "2023-07-01")
        assert await on_days(*days) == [home, there, there, again, again]
        assert await on_days(*days, known_at=before) == [home] * 5
        read = await client.get(PERSON, params={"fields": "permanent_residence"}, headers=insurer)
        assert read.json()["permanent_residence"]["since"] == "2023-07-01"
        (changed, generic) = await emitted()
        assert changed["type"] == "population.residence-changed.v1"
        assert (changed["data"]["former_commune_code"], changed["data"]["commune_code"]) == ("26740", "26740")
        assert generic["data"]["version"] == 3
        assert "population.correct_residences" in {r["operation"] for r in await disclosed()}
        audit = "SELECT count(*) FROM audit_entries WHERE action = 'residence_corrected'"
        assert (await session.execute(text(audit))).scalar_one() == 1
        # The same once more is no change, whatever the version.
        same = await send("2023-03-01", "2023-06-30", HANOI, headers={"NDX-Case-Id": "1", "If-Match": '"1"'})
        assert periods(same) == periods(reply)
        assert len(await emitted()) == 2

    async def test_moved_earlier_than_registered_is_one_residence(
        self, client, police, send, on_days, move, add_person
    ):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        assert (await client.post(URL, json=move(address=None), headers=police)).status_code == 201
        reply = await send("2026-03-01", "2026-05-31", HANOI)
        assert [p for p in periods(reply) if p[3] != "REVOKED"] == [
            ("2020-01-01", "2026-02-28", "26740", "ENDED"),
            ("2026-03-01", None, "00070", "REGISTERED"),
        ]
        found = await on_days("2026-02-28", "2026-03-01", "2026-06-02")
        assert found == [("26740", "2020-01-01"), ("00070", "2026-03-01"), ("00070", "2026-03-01")]
        # What runs now is changed and followed as before.
        running = next(r for r in reply.json()["items"] if r["state"] == "REGISTERED")
        assert running["residence_file_number"] is not None
        change = {"address": "Số 2", "basis": {"document": "CT-1"}}
        done = await client.patch(f"{URL}/{running['residence_id']}", json=change, headers=police)
        assert done.status_code == 200, done.text

    async def test_a_period_without_any_residence_and_one_for_a_temporary(self, send, on_days, add_person):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        assert (await send("2021-01-01", "2021-12-31")).status_code == 200
        assert await on_days("2021-06-01", "2022-01-01") == [None, ("26740", "2022-01-01")]
        stayed = await send("2022-02-01", "2022-03-31", HANOI, kind="TEMPORARY")
        assert periods(stayed) == [("2022-02-01", "2022-03-31", "00070", "ENDED")]
        found = await on_days("2022-01-31", "2022-03-31", "2022-04-01", fields="temporary_residence")
        assert found == [None, ("00070", "2022-02-01"), None]

    @pytest.mark.parametrize(
        ("first", "last", "place", "changes", "code"),
        [
            ("1980-01-01", "1981-01-01", HANOI, {}, "residence-dates-invalid"),
            ("2021-01-01", "2020-01-01", HANOI, {}, "residence-dates-invalid"),
            ("2021-01-01", "2199-01-01", HANOI, {}, "residence-dates-invalid"),
            ("2021-01-01", "2023-01-01", HANOI, {"kind": "TEMPORARY"}, "residence-dates-invalid"),
            ("2021-01-01", "2021-02-01", ("79", "00070"), {}, "place-unknown"),
            ("2021-01-01", "2021-02-01", HOME, {"kind": "TEMPORARY"}, "temporary-residence-in-own-commune"),
            ("2021-01-01", "2021-02-01", None, {"address": "Số 1"}, "invalid-input"),
            ("2021-01-01", "2021-02-01", HANOI, {"kind": "STAY"}, "invalid-input"),
            ("2021-01-01", "2021-02-01", HANOI, {"headers": {}}, "case-missing"),
            (
                "2021-01-01",
                "2021-02-01",
                HANOI,
                {"headers": {"NDX-Case-Id": "1", "If-Match": "7"}},
                "person-version-conflict",
            ),
        ],
    )
    async def test_what_does_not_fit_is_refused(
        self, send, add_person, emitted, first, last, place, changes, code
    ):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        reply = await send(first, last, place, **changes)
        assert reply.json()["code"] == code
        assert await emitted() == []

    async def test_permanent_residence_is_not_moved_to_where_they_lived_for_a_time(self, send, add_person):
        await add_person(MOTHER, permanent_since=date(2020, 1, 1))
        await send("2022-02-01", "2022-03-31", HANOI, kind="TEMPORARY")
        reply = await send("2022-03-31", "2022-05-01", HANOI)
        assert (reply.status_code, reply.json()["code"]) == (409, "temporary-residence-in-own-commune")
        assert (await send("2022-04-01", "2022-05-01", HANOI)).status_code == 200

    async def test_the_dead_keep_the_last_residence_as_corrected(
        self, client, police, send, on_days, add_person, insurer
    ):
        died_on = today() - timedelta(days=30)
        await add_person(
            MOTHER,
            permanent_since=date(2020, 1, 1),
            life_status="DECEASED",
            death_or_missing_date=died_on,
        )
        late = await send("2024-01-01", str(died_on + timedelta(days=1)), HANOI)
        assert late.json()["code"] == "residence-dates-invalid"
        reply = await send("2024-01-01", str(died_on), HANOI)
        assert [p for p in periods(reply) if p[3] != "REVOKED"] == [
            ("2020-01-01", "2023-12-31", "26740", "ENDED"),
            ("2024-01-01", str(died_on), "00070", "ENDED"),
        ]
        read = await client.get(PERSON, params={"fields": "permanent_residence"}, headers=insurer)
        assert read.json()["permanent_residence"]["commune_code"] == "00070"
        await send("2021-01-01", "2021-01-31", WARD)
        found = await on_days("2020-06-01", "2021-01-31", "2021-02-01", "2024-01-01", str(today()))
        assert [commune for commune, _ in found] == ["26740", "26743", "26740", "00070", "00070"]


class TestTheEndOfTheCalendar:
    @pytest.mark.parametrize("kind", ["PERMANENT", "TEMPORARY"])
    async def test_days_without_a_later_one_are_refused_in_words(self, send, add_person, kind):
        await add_person(MOTHER)
        reply = await send("9999-12-31", "9999-12-31", HANOI, kind=kind)
        assert (reply.status_code, reply.json()["code"]) == (422, "residence-dates-invalid")
