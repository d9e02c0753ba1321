"""Indicators are what a recount finds, whoever changes people, and each number can be explained."""

import asyncio
import base64
import random
from datetime import date, timedelta

import httpx
import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.quality import recounting, repository
from svc_population.quality.rules import rules_on
from svc_population.quality.service import fold

BASE = "/population/v1/quality"
FULL = {
    "surname": "Lê",
    "given_name": "An",
    "birth_date": date(1988, 5, 17),
    "birth_place": "Huế",
    "birth_registration_province_code": "46",
    "home_town": "Huế",
    "ethnicity_code": "01",
    "permanent_address": "12 Lê Lợi",
    "household_number": "H1",
    "relation_to_head": "HEAD",
    "marital_status": "SINGLE",
    "phone": "0912345678",
}
GOOD = "046088000001"


@pytest.fixture
async def counted(runtime) -> None:
    await recounting.bring_up_to_date(runtime.sessions)


@pytest.fixture
def office(agree, as_agency) -> dict[str, str]:
    """Headers of an agency that may see everything, everywhere."""
    groups = [g for g in FieldGroup if g in POPULATION_GROUPS]
    agree(
        "G01",
        {
            "population.list_quality_rules": [],
            "population.get_quality_indicators": [],
            "population.list_faulty_persons": groups,
        },
        purposes=["STATISTICS"],
    )
    return as_agency("G01", system="quality", purpose="STATISTICS")


async def run(runtime, statement: str, **values: object) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(text(statement), values)


async def unit(client, office, **asked: str) -> dict:
    reply = await client.get(f"{BASE}/indicators", params={"level": "COUNTRY", **asked}, headers=office)
    assert reply.status_code == 200, reply.text
    (item,) = reply.json()["items"]
    return item


async def broken(client, office, **asked: str) -> set[str]:
    """Return the codes of the rules that somebody breaks."""
    return {r["rule"] for r in (await unit(client, office, **asked))["rules"] if r["broken"]}


def _recount_before(monkeypatch, runtime, name: str) -> None:
    """Let a recount end between the look at the generation and the first statement about it."""
    real = getattr(repository, name)

    async def late(*args: object, **values: object) -> object:
        monkeypatch.setattr(repository, name, real)
        await recounting.bring_up_to_date(runtime.sessions, anew=True)
        return await real(*args, **values)

    monkeypatch.setattr(repository, name, late)


@pytest.mark.usefixtures("counted")
class TestRulesOfAPerson:
    async def test_a_whole_record_breaks_nothing(self, client, office, add_person):
        await add_person(GOOD, **FULL)
        found = await unit(client, office)
        assert [d["percent"] for d in found["dimensions"]] == [100.0] * 4
        assert {r["broken"] for r in found["rules"]} == {0}

    @pytest.mark.parametrize(
        ("number", "changed", "expected"),
        [
            ("046188000001", {}, {"number-sex-differs"}),
            ("046089000001", {}, {"number-birth-year-differs"}),
            ("046288000001", {}, {"number-birth-year-differs"}),
            ("000088000001", {}, {"number-place-unknown"}),
            (
                "046199000001",
                {"birth_date": date(2999, 1, 1), "sex": "FEMALE"},
                {"number-birth-year-differs", "birth-after-recording"},
            ),
            (
                GOOD,
                {"life_status": "DECEASED", "death_or_missing_date": date(1980, 1, 1)},
                {"death-before-birth"},
            ),
            (
                GOOD,
                {"life_status": "DECEASED", "death_or_missing_date": date(2999, 1, 1)},
                {"death-after-recording"},
            ),
            (
                GOOD,
                {
                    "life_status": "DECEASED",
                    "death_or_missing_date": date(2020, 1, 1),
                    "ethnicity_code": None,
                },
                set(),
            ),
            (GOOD, {"permanent_commune_code": "99999"}, {"permanent-commune-unknown"}),
            (GOOD, {"permanent_province_code": "01"}, {"permanent-province-differs"}),
            (
                GOOD,
                {"permanent_commune_code": "00016", "permanent_province_code": "01"},
                {"permanent-commune-abolished"},
            ),
            (GOOD, {"birth_registration_commune_code": "99999"}, {"birth-registration-commune-unknown"}),
            (
                GOOD,
                {"temporary_since": date(2026, 1, 2), "temporary_until": date(2026, 1, 1)},
                {"temporary-residence-ends-before-it-begins", "temporary-residence-over"},
            ),
            (GOOD, {"legacy_id_number": "12345"}, {"legacy-number-malformed"}),
            (GOOD, {"birth_place": ""}, {"birth-place-missing"}),
            (GOOD, {"phone": None}, {"contact-missing"}),
            (GOOD, {"phone": "12"}, {"phone-malformed"}),
            (
                GOOD,
                {"permanent_commune_code": None, "permanent_province_code": None},
                {"permanent-residence-missing"},
            ),
            (GOOD, {"surname": "Le\u0302"}, {"name-not-composed"}),
            (GOOD, {"given_name": "An1"}, {"name-odd-characters"}),
            (GOOD, {"given_name": "An "}, {"name-odd-spaces"}),
            (GOOD, {"middle_name": "K'Pă-Y"}, set()),
            (GOOD, {"absence_from": date(2025, 1, 1), "absence_until": date(2025, 2, 1)}, {"absence-over"}),
            ("046016000001", {"birth_date": date(1916, 1, 1)}, {"very-old-without-death"}),
        ],
    )
    async def test_each_fault_is_counted_under_its_rule(
        self, client, office, add_person, number, changed, expected
    ):
        await add_person(number, **{**FULL, **changed})
        assert await broken(client, office) == expected

    async def test_what_time_alone_breaks_is_counted_from_its_day_on(self, client, office, add_person):
        await add_person(GOOD, **FULL, temporary_since=today() - timedelta(days=9), temporary_until=today())
        assert await broken(client, office) == set()
        # The same person on a day that has come: the count of a later day, of the same rows.
        await add_person(
            "046088000002", **FULL, absence_from=date(2025, 1, 1), absence_until=today() - timedelta(days=1)
        )
        assert await broken(client, office) == {"absence-over"}


@pytest.mark.usefixtures("counted")
class TestIndicators:
    async def test_a_mended_fault_is_gone_at_once(self, client, office, add_person, runtime):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None, "phone": None})
        await add_person("046088000002", **FULL)
        asked = {"level": "COMMUNE", "province_code": "79", "dimension": "COMPLETE"}
        found = await unit(client, office, **asked)
        assert (found["code"], found["living"], found["current"]) == ("26740", 2, True)
        assert found["dimensions"] == [
            {"dimension": "COMPLETE", "checked": 2, "faultless": 1, "percent": 50.0}
        ]
        assert {(r["rule"], r["checked"], r["broken"]) for r in found["rules"] if r["broken"]} == {
            ("ethnicity-missing", 2, 1),
            ("contact-missing", 2, 1),
        }
        await fold(runtime)
        await run(runtime, "UPDATE persons SET ethnicity_code = '01' WHERE personal_id = :n", n=GOOD)
        assert await broken(client, office, **asked) == {"contact-missing"}
        await run(
            runtime,
            "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = '2026-01-01'"
            " WHERE personal_id = :n",
            n=GOOD,
        )
        found = await unit(client, office, **asked)
        assert (found["persons"], found["living"], found["dimensions"][0]["percent"]) == (2, 1, 100.0)

    async def test_a_recount_that_ends_meanwhile_leaves_nobody_out(
        self, client, office, add_person, runtime, monkeypatch
    ):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None})
        _recount_before(monkeypatch, runtime, "indicators")
        found = await unit(client, office)
        assert (found["persons"], [r["rule"] for r in found["rules"] if r["broken"]]) == (
            1,
            ["ethnicity-missing"],
        )

    async def test_people_of_an_abolished_commune_stand_under_its_own_code(self, client, office, add_person):
        await add_person(GOOD, **FULL, permanent_province_code="01", permanent_commune_code="00016")
        found = await unit(client, office, level="COMMUNE")
        assert (found["code"], found["current"]) == ("00016", False)
        assert found["name"]

    async def test_only_rules_that_an_agency_can_mend_when_asked(self, client, office, add_person):
        await add_person(GOOD, **FULL)
        justice = {r["field_group"] for r in (await unit(client, office, agency="G02"))["rules"]}
        police = {r["field_group"] for r in (await unit(client, office, agency="G01"))["rules"]}
        assert "ethnicity" in justice - police
        assert "household" in police - justice

    async def test_an_area_sees_its_own_units_only(self, client, agree, as_agency, add_person):
        await add_person(GOOD, **FULL)
        await add_person("046088000002", **FULL, permanent_province_code="01", permanent_commune_code="00070")
        agree(
            "X26740",
            {"population.get_quality_indicators": []},
            admin_scope=AdminScope(communes=("26740",)),
            purposes=["STATISTICS"],
        )
        commune = as_agency("X26740", system="quality", purpose="STATISTICS")
        assert (await unit(client, commune))["persons"] == 1
        assert (await unit(client, commune, level="PROVINCE", province_code="79"))["persons"] == 1
        for asked in ({"province_code": "01"}, {"commune_code": "00070"}):
            reply = await client.get(f"{BASE}/indicators", params=asked, headers=commune)
            assert (reply.status_code, reply.json()["code"]) == (403, "outside-admin-scope")

    async def test_a_percent_of_100_means_that_nobody_is_left(self, client, office, runtime):
        await run(
            runtime,
            "INSERT INTO persons (personal_id, given_name, birth_date, sex, ethnicity_code,"
            " permanent_commune_code, permanent_province_code, source)"
            " SELECT '046088' || lpad(n::text, 6, '0'), 'An', '1988-05-17', 'MALE', nullif(n, 1)::text,"
            " '26740', '79', 'test'"
            " FROM generate_series(1, 30000) n",
        )
        (rule,) = [r for r in (await unit(client, office))["rules"] if r["rule"] == "ethnicity-missing"]
        assert (rule["broken"], rule["percent"]) == (1, 99.99)


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
        _recount_before(monkeypatch, runtime, "people")
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


class TestRecount:
    async def test_nothing_is_said_before_the_first_count(self, client, office, add_person, runtime):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None})
        reply = await client.get(f"{BASE}/indicators", headers=office)
        assert (reply.status_code, reply.json()["code"]) == (503, "quality-not-counted")
        await recounting.bring_up_to_date(runtime.sessions)
        assert await broken(client, office) == {"ethnicity-missing"}
        rules = (await client.get(f"{BASE}/rules", headers=office)).json()
        assert len(rules["items"]) == len(rules_on(today()))

    @pytest.mark.usefixtures("counted")
    async def test_changed_rules_are_counted_beside_the_old_ones_which_stay_exact(
        self, client, office, add_person, runtime, session, monkeypatch
    ):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None, "phone": None})
        fewer = tuple(r for r in rules_on(today()) if r.code != "ethnicity-missing")
        monkeypatch.setattr(recounting, "rules_on", lambda _: fewer)
        await recounting.begin(runtime.sessions)
        await run(runtime, "UPDATE persons SET phone = '0912345678' WHERE personal_id = :n", n=GOOD)
        await fold(runtime)
        body = (await client.get(f"{BASE}/indicators", headers=office)).json()
        assert body["recounting"]
        assert await broken(client, office) == {"ethnicity-missing"}
        await recounting.finish(runtime.sessions)
        await add_person("046088000002", **{**FULL, "home_town": None})
        assert await broken(client, office) == {"home-town-missing"}
        assert await recounting.differences(session) == []
        body = (await client.get(f"{BASE}/indicators", headers=office)).json()
        assert not body["recounting"]

    @pytest.mark.usefixtures("counted")
    async def test_nothing_is_counted_again_for_nothing(self, runtime, session, monkeypatch):
        live, _ = await repository.live(session)
        assert live is not None
        first = live.id
        assert await recounting.bring_up_to_date(runtime.sessions) is None
        monkeypatch.setattr(recounting, "today", lambda: today() + timedelta(days=2 * 365 + 1))
        assert await recounting.bring_up_to_date(runtime.sessions) == first + 1

    @pytest.mark.usefixtures("counted")
    async def test_a_change_of_the_list_of_communes_is_counted(self, client, office, add_person, runtime):
        await add_person(GOOD, **FULL)
        await run(
            runtime,
            "UPDATE admin_units SET valid_to = :day"
            " WHERE level = 'COMMUNE' AND code = '26740' AND valid_to IS NULL",
            day=today() - timedelta(days=1),
        )
        assert await broken(client, office) == set()
        await recounting.bring_up_to_date(runtime.sessions)
        assert await broken(client, office) == {"permanent-commune-abolished"}

    @pytest.mark.usefixtures("counted")
    async def test_who_writes_while_everybody_is_counted_is_counted_once(
        self, client, office, add_person, runtime, session
    ):
        change = text("UPDATE persons SET ethnicity_code = :value WHERE personal_id = :number")
        numbers = (GOOD, "046088000002")
        for number in numbers:
            await add_person(number, **FULL)
        async with runtime.sessions() as before, runtime.sessions() as during:
            await before.execute(change, {"value": None, "number": numbers[0]})
            beginning = asyncio.create_task(recounting.begin(runtime.sessions, anew=True))
            await asyncio.sleep(0.2)
            assert not beginning.done(), "a change of which the new generation hears nothing"
            await before.commit()
            await beginning
            await during.execute(change, {"value": None, "number": numbers[1]})
            await recounting.finish(runtime.sessions)
            await during.commit()
        assert await recounting.differences(session) == []
        (rule,) = [r for r in (await unit(client, office))["rules"] if r["broken"]]
        assert (rule["rule"], rule["broken"]) == ("ethnicity-missing", 2)

    async def test_random_changes_and_recounts_leave_the_counts_exact(self, runtime, session):
        chance = random.Random(5)
        changes = {
            "permanent_commune_code": ("26740", "00070", "00016", "99999", None),
            "permanent_province_code": ("79", "01", None),
            "ethnicity_code": ("01", None, ""),
            "given_name": ("An", "An ", "A1", "A\u0302n"),
            "phone": ("0912345678", "1", None),
            "temporary_until": (today(), date(2020, 1, 1), date(2090, 1, 1), None),
            "birth_date": (date(1912, 1, 1), date(1990, 1, 1), date(2026, 1, 1)),
            "sex": ("MALE", "FEMALE"),
        }
        await recounting.bring_up_to_date(runtime.sessions)
        insert = (
            "INSERT INTO persons (personal_id, given_name, birth_date, sex, source)"
            " SELECT lpad((:first + n)::text, 12, '0'), 'An', '1990-01-01', 'MALE', 'test'"
            " FROM generate_series(1, 20) n"
        )
        await run(runtime, insert, first=0)
        await run(runtime, insert, first=20)
        for _ in range(60):
            act = chance.randrange(10)
            some = {"low": str(chance.randrange(41)).zfill(12), "high": str(chance.randrange(41)).zfill(12)}
            if act == 0:
                await run(runtime, "DELETE FROM persons WHERE personal_id = :low", low=some["low"])
            elif act == 1:
                await run(
                    runtime,
                    "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = '2026-01-01'"
                    " WHERE personal_id = :low",
                    low=some["low"],
                )
            elif act == 2:
                await fold(runtime)
            elif act == 3:
                await recounting.begin(runtime.sessions, anew=True)
            elif act == 4:
                await recounting.finish(runtime.sessions)
            else:
                column = chance.choice(sorted(changes))
                await run(
                    runtime,
                    f"UPDATE persons SET {column} = :value WHERE personal_id BETWEEN :low AND :high",  # noqa: S608 - a name of this test
                    value=chance.choice(changes[column]),
                    **some,
                )
        assert await recounting.differences(session) == []
        live, _ = await repository.live(session)
        assert live is not None
        kept = await repository.kept(session, live.id)
        assert sum(kept[key] for key in kept) > 20

    async def test_a_count_that_is_stopped_goes_on_and_the_former_one_is_exact_until_then(
        self, client, office, runtime, session, monkeypatch
    ):
        monkeypatch.setattr(recounting, "SLICE", 4)
        chance = random.Random(11)
        # Numbers of several slices; one slice alone has more records than a transaction takes.
        prefixes = ("001090", "001191", "079090", "079090", "079090", "096205")
        numbers = [f"{prefixes[n % 6]}{n:06}" for n in range(40)]
        insert = (
            "INSERT INTO persons (personal_id, given_name, birth_date, sex, source)"
            " SELECT n, 'An', '1990-01-01', 'MALE', 'test' FROM unnest(CAST(:numbers AS text[])) n"
        )
        await run(runtime, insert, numbers=numbers[:30])
        await recounting.bring_up_to_date(runtime.sessions)

        async def change() -> None:
            number = chance.choice(numbers)
            other = f"{chance.choice(prefixes)}{chance.randrange(100, 999):06}"
            changes: list[tuple[str, dict[str, object]]] = [
                ("UPDATE persons SET phone = '0912345678' WHERE personal_id >= :n", {"n": number}),
                ("UPDATE persons SET ethnicity_code = '01' WHERE personal_id = :n", {"n": number}),
                ("UPDATE persons SET given_name = 'A1' WHERE personal_id < :n", {"n": number}),
                ("DELETE FROM persons WHERE personal_id = :n", {"n": number}),
                # Into another slice, counted already or not.
                ("UPDATE persons SET personal_id = :o WHERE personal_id = :n", {"n": number, "o": other}),
                (insert, {"numbers": [other[:6] + f"9{chance.randrange(10**5):05}"]}),
            ]
            statement, values = chance.choice(changes)
            await run(runtime, statement, **values)

        generation = await recounting.begin(runtime.sessions, anew=True)
        slices = 0
        while True:
            await change()
            async with runtime.sessions() as late:
                # It begins before the slice's snapshot and ends behind it.
                await late.execute(
                    text("UPDATE persons SET phone = NULL WHERE personal_id >= :n"),
                    {"n": chance.choice(numbers)},
                )
                if slices == 3:
                    # As another process would, that was told to count anew.
                    assert await recounting.begin(runtime.sessions, anew=True) is None
                progress = await recounting.advance(runtime.sessions)
                await late.commit()
            assert progress is not None
            assert progress.generation == generation
            slices += 1
            async with runtime.sessions() as fresh:
                assert await recounting.differences(fresh) == []
            if progress.done:
                break
            assert (await client.get(f"{BASE}/indicators", headers=office)).json()["recounting"]
        assert slices >= 4
        live, under_way = await repository.live(session)
        assert live is not None
        assert (live.id, under_way) == (generation, False)
        await change()
        await fold(runtime)
        assert await recounting.differences(session) == []

    async def test_a_generation_of_the_former_code_is_counted_anew(self, runtime, session, add_person):
        await add_person(GOOD, **FULL)
        begun = await recounting.begin(runtime.sessions)
        await run(runtime, "UPDATE quality_generations SET counted_until = NULL")
        assert await recounting.bring_up_to_date(runtime.sessions) == (begun or 0) + 1
        assert await recounting.differences(session) == []
