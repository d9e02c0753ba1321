"""Indicators are what a recount finds, also while it is under way, stopped or killed."""

import asyncio
import random
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.quality import recounting, repository
from svc_population.quality.rules import rules_on
from svc_population.quality.service import fold

from .conftest import BASE, FULL, GOOD, broken, run, unit


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
