"""Counts are what a recount finds, whoever changes people; small ones are not published."""

import random
from datetime import date, timedelta

import pytest
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.statistics.service import differences, fold

URL = "/population/v1/statistics/population"


@pytest.fixture
def office(agree, as_agency) -> dict[str, str]:
    agree("G05", {"population.get_population_counts": []}, purposes=["STATISTICS"])
    return as_agency("G05", system="statistics")


async def people(runtime, count: int, *, commune: str = "26740", first: int = 0, **values: object) -> None:
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
        self, client, office, runtime, session
    ):
        await people(runtime, 20)
        await people(runtime, 30, commune="00070", first=100)
        body = (await client.get(URL, headers=office)).json()
        assert {u["code"]: u["total"] for u in body["items"]} == {"01": 30, "79": 20}
        (cell,) = [c for c in body["items"][0]["cells"] if c["sex"] == "MALE"]
        age = today().year - 1990
        assert (cell["age_from"], cell["count"]) == (age - age % 5, 15)
        await fold(runtime)
        move = "UPDATE persons SET permanent_province_code = '79', permanent_commune_code = '26740'"
        await run(runtime, move + " WHERE personal_id <= lpad('105', 12, '0')")
        dead = "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = '2026-01-01'"
        await run(runtime, dead + " WHERE personal_id > lpad('120', 12, '0')")
        body = (await client.get(URL, headers=office)).json()
        assert {u["code"]: u["total"] for u in body["items"]} == {"01": 15, "79": 25}
        assert await differences(session) == []
        country = (await client.get(URL, params={"level": "COUNTRY"}, headers=office)).json()["items"]
        assert [(u["name"], u["total"]) for u in country] == [("Việt Nam", 40)]

    async def test_a_past_day_is_todays_count_without_what_came_later(self, client, office, runtime):
        await people(runtime, 20)
        yesterday = today() - timedelta(days=1)
        await run(runtime, "UPDATE population_deltas SET day = :day", day=yesterday)
        await fold(runtime)
        await people(runtime, 10, first=50)
        for day, total in ((yesterday, 20), (today(), 30)):
            body = (await client.get(URL, params={"on": day}, headers=office)).json()
            assert [u["total"] for u in body["items"]] == [total]
        for day in (yesterday - timedelta(days=1), today() + timedelta(days=1)):
            reply = await client.get(URL, params={"on": day}, headers=office)
            assert (reply.status_code, reply.json()["code"]) == (422, "statistics-day-invalid")

    async def test_units_of_another_day_where_that_is_known(self, client, office, runtime):
        # Di An lies in what was one province, Binh Duong, whatever communes it was made of.
        await people(runtime, 20, commune="25942")
        asked = {"units_on": "2025-06-30"}
        body = (await client.get(URL, params=asked, headers=office)).json()
        assert [(u["name"], u["total"]) for u in body["items"]] == [("Tỉnh Bình Dương", 20)]
        body = (await client.get(URL, params={**asked, "level": "COMMUNE"}, headers=office)).json()
        assert sum(u["total"] for u in body["items"]) + body["not_attributable"] == 20

    async def test_small_counts_are_left_out_and_nothing_gives_them_away(self, client, office, runtime):
        await people(runtime, 40)
        await people(runtime, 1, first=900, born=date(2020, 5, 5))
        asked = {"level": "COMMUNE", "province_code": "79"}
        (unit,) = (await client.get(URL, params=asked, headers=office)).json()["items"]
        assert unit["total"] == 41
        assert sorted(str(c["count"]) for c in unit["cells"]) == ["20", "None", "None"]

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
