"""Counts are what a recount finds, whoever changes people; only operators see them unrounded."""

import random
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.statistics import service
from svc_population.statistics.service import differences, fold

URL = "/population/v1/statistics/population"
EXACT = f"{URL}/exact"


@pytest.fixture
def office(agree, as_agency) -> dict[str, str]:
    agree("G05", {"population.get_population_counts": []}, purposes=["STATISTICS"])
    return as_agency("G05", system="statistics")


@pytest.fixture
def owner(as_operator) -> dict[str, str]:
    return as_operator("G01", "an")


async def people(
    runtime, count: int, *, commune: str | None = "26740", first: int = 0, **values: object
) -> None:
    row = {
        "province": commune[:2] if commune == "00070" else "79",
        "commune": commune,
        "born": date(1990, 1, 1),
    }
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "INSERT INTO persons (personal_id, given_name, birth_date, sex, permanent_province_code,"
                " permanent_commune_code, source) SELECT lpad((:first + n)::text, 12, '0'), 'An', :born,"
                " CASE n % 2 WHEN 0 THEN 'MALE' ELSE 'FEMALE' END, :province, :commune, 'test'"
                " FROM generate_series(1, :count) n"
            ),
            {**row, "first": first, "count": count, **values},
        )


async def run(runtime, statement: str, **values: object) -> None:
    async with runtime.sessions() as session, session.begin():
        await session.execute(text(statement), values)


class TestCounts:
    async def test_people_are_counted_by_unit_sex_and_age_as_they_come_move_and_die(
        self, client, owner, runtime, session
    ):
        await people(runtime, 20)
        await people(runtime, 30, commune="00070", first=100)
        body = (await client.get(EXACT, headers=owner)).json()
        assert {u["code"]: u["total"] for u in body["items"]} == {"01": 30, "79": 20}
        (cell,) = [c for c in body["items"][0]["cells"] if c["sex"] == "MALE"]
        age = today().year - 1990
        assert (cell["age_from"], cell["count"]) == (age - age % 5, 15)
        await fold(runtime)
        move = "UPDATE persons SET permanent_province_code = '79', permanent_commune_code = '26740'"
        await run(runtime, move + " WHERE personal_id <= lpad('105', 12, '0')")
        dead = "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = '2026-01-01'"
        await run(runtime, dead + " WHERE personal_id > lpad('120', 12, '0')")
        body = (await client.get(EXACT, headers=owner)).json()
        assert {u["code"]: u["total"] for u in body["items"]} == {"01": 15, "79": 25}
        assert await differences(session) == []
        country = (await client.get(EXACT, params={"level": "COUNTRY"}, headers=owner)).json()["items"]
        assert [(u["name"], u["total"]) for u in country] == [("Việt Nam", 40)]

    async def test_what_a_bulk_load_left_is_folded_whole_though_a_run_takes_less(
        self, client, owner, runtime, session, monkeypatch
    ):
        monkeypatch.setattr(service, "_A_RUN", 2)
        for year in range(5):
            await people(runtime, 4, first=10 * (year + 1))
        left = text(
            "SELECT (SELECT count(*) FROM population_deltas) + (SELECT count(*) FROM movement_deltas)"
        )
        noted = (await session.execute(left)).scalar_one()
        assert noted > 2 * 2
        await session.rollback()
        assert await fold(runtime) == noted
        assert (await session.execute(left)).scalar_one() == 0
        assert await differences(session) == []
        body = (await client.get(EXACT, headers=owner)).json()
        assert [u["total"] for u in body["items"]] == [20]

    async def test_a_past_day_is_todays_count_without_what_came_later(self, client, owner, runtime):
        await people(runtime, 20)
        yesterday = today() - timedelta(days=1)
        await run(runtime, "UPDATE population_deltas SET day = :day", day=yesterday)
        await fold(runtime)
        await people(runtime, 10, first=50)
        for day, total in ((yesterday, 20), (today(), 30)):
            body = (await client.get(EXACT, params={"on": day}, headers=owner)).json()
            assert [u["total"] for u in body["items"]] == [total]
        for day in (yesterday - timedelta(days=1), today() + timedelta(days=1)):
            reply = await client.get(EXACT, params={"on": day}, headers=owner)
            assert (reply.status_code, reply.json()["code"]) == (422, "statistics-day-invalid")

    async def test_units_of_another_day_where_that_is_known(self, client, owner, runtime):
        # Di An lies in what was one province, Binh Duong, whatever communes it was made of.
        await people(runtime, 20, commune="25942")
        asked = {"units_on": "2025-06-30"}
        body = (await client.get(EXACT, params=asked, headers=owner)).json()
        assert [(u["name"], u["total"]) for u in body["items"]] == [("Tỉnh Bình Dương", 20)]
        body = (await client.get(EXACT, params={**asked, "level": "COMMUNE"}, headers=owner)).json()
        assert sum(u["total"] for u in body["items"]) + body["not_attributable"] == 20

    async def test_nobody_is_lost_or_counted_twice_on_either_side_of_a_change_of_units(
        self, client, owner, office, runtime
    ):
        # Communes that were one, several or parts of units, one that ended, one that never was; nowhere.
        communes = ("26740", "00070", "00097", "25942", "26732", "00001", "99999", None)
        for n, commune in enumerate(communes):
            await people(runtime, 20 + n, commune=commune, first=100 * n)
        for headers, url in ((owner, EXACT), (office, URL)):
            everybody = set()
            for level in ("COUNTRY", "PROVINCE", "DISTRICT", "COMMUNE"):
                for units_on in (today(), "2025-07-01", "2025-06-30", "2024-12-31"):
                    asked = {"level": level, "units_on": str(units_on)}
                    body = (await client.get(url, params=asked, headers=headers)).json()
                    everybody.add(sum(u["total"] for u in body["items"]) + body["not_attributable"])
            assert len(everybody) == 1
        assert everybody != {0}

    async def test_who_cannot_be_placed_is_told_of_the_asked_province_alone(self, client, owner, runtime):
        # Di An was made of several wards of Binh Duong (74), which is a part of Ho Chi Minh City (79) today.
        await people(runtime, 20, commune="25942")
        await people(runtime, 30, commune="00097", first=100)
        told = {}
        for province in ("74", "79", "01"):
            asked = {"level": "COMMUNE", "units_on": "2025-06-30", "province_code": province}
            body = (await client.get(EXACT, params=asked, headers=owner)).json()
            told[province] = sum(u["total"] for u in body["items"]) + body["not_attributable"]
        assert told == {"74": 20, "79": 0, "01": 30}

    async def test_agencies_get_rounded_numbers_and_a_single_person_more_is_not_seen(
        self, client, office, owner, runtime
    ):
        await people(runtime, 300)
        await people(runtime, 2, first=900, born=date(2020, 5, 5))
        asked = [
            {"level": level, **more}
            for level in ("COUNTRY", "PROVINCE", "DISTRICT", "COMMUNE")
            for more in ({}, {"province_code": "79"}, {"units_on": "2025-06-30"})
        ]

        async def tables() -> list[dict[str, Any]]:
            return [(await client.get(URL, params=a, headers=office)).json() for a in asked]

        before = await tables()
        totals = {u["total"] for body in before for u in body["items"]}
        assert all(t % 5 == 0 for t in totals)
        assert any(abs(t - 302) < 15 for t in totals)
        exact = (await client.get(EXACT, params={"level": "COUNTRY"}, headers=owner)).json()
        assert (exact["items"][0]["total"], exact["least_count"]) == (302, None)
        # Of both sexes there is one: either one less or one more is told as the same.
        unseen = 0
        one_of = "UPDATE persons SET life_status = :status, death_or_missing_date = :day"
        for sex in ("MALE", "FEMALE"):
            for status, day in (("DECEASED", date(2026, 1, 1)), ("ALIVE", None)):
                change = one_of + " WHERE birth_date = '2020-05-05' AND sex = :sex"
                await run(runtime, change, status=status, day=day, sex=sex)
                unseen += await tables() == before and status == "DECEASED"
            assert await tables() == before
        assert unseen >= 1

    async def test_who_read_exact_counts_is_on_record_and_others_are_refused(
        self, client, office, owner, as_operator, runtime
    ):
        await people(runtime, 20)
        assert (await client.get(EXACT, params={"province_code": "79"}, headers=owner)).status_code == 200
        assert (await client.get(EXACT, headers=as_operator("G03", "binh"))).status_code == 403
        assert (await client.get(EXACT, headers=office)).status_code in {401, 403}
        async with runtime.sessions() as session:
            rows = await session.execute(
                text("SELECT details FROM audit_entries WHERE action = 'exact_population_counts_read'")
            )
            (details,) = rows.scalars().all()
        assert (details["province_code"], details["level"]) == ("79", "PROVINCE")

    async def test_every_kind_of_change_leaves_the_counts_exact(self, runtime, session):
        chance = random.Random(3)
        await people(runtime, 60)
        communes = ("26740", "26743", "00070", None)
        for _ in range(40):
            number = str(chance.randrange(1, 61)).zfill(12)
            act = chance.randrange(5)
            if act == 0:
                await run(
                    runtime,
                    "UPDATE persons SET permanent_commune_code = :c WHERE personal_id = :n",
                    n=number,
                    c=chance.choice(communes),
                )
            elif act == 1:
                await run(
                    runtime,
                    "UPDATE persons SET birth_date = birth_date + 400 WHERE personal_id = :n",
                    n=number,
                )
            elif act == 2:
                await run(runtime, "DELETE FROM persons WHERE personal_id = :n", n=number)
            elif act == 3:
                await run(
                    runtime,
                    "UPDATE persons SET life_status = 'MISSING', death_or_missing_date = '2026-01-01'"
                    " WHERE personal_id = :n",
                    n=number,
                )
            else:
                await fold(runtime)
        assert await differences(session) == []
