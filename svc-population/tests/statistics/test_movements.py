"""Who was born, came, left and died is counted where it happened, for the register's operators alone."""

from datetime import date, timedelta

import pytest
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.statistics.service import fold

URL = "/population/v1/statistics/movements/exact"
SAI_GON, BEN_THANH, CUA_NAM = "26740", "26743", "00070"
"""Two communes of Ho Chi Minh City, and one of Ha Noi."""
MOVE = (
    "UPDATE persons SET permanent_province_code = :province, permanent_commune_code = :commune"
    " WHERE personal_id = :number"
)
DEAD = "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = :day WHERE personal_id = :number"
ALIVE = "UPDATE persons SET life_status = 'ALIVE', death_or_missing_date = NULL WHERE personal_id = :number"


@pytest.fixture
def owner(as_operator) -> dict[str, str]:
    return as_operator("G01", "an")


@pytest.fixture
def run(runtime):
    async def run(statement: str, **values: object) -> None:
        async with runtime.sessions() as session, session.begin():
            await session.execute(text(statement), values)

    return run


@pytest.fixture
def add(run):
    async def add(number: int, *, born: date, commune: str | None = SAI_GON, source: str = "C01") -> str:
        personal_id = f"{number:012}"
        await run(
            "INSERT INTO persons (personal_id, given_name, birth_date, sex, permanent_province_code,"
            " permanent_commune_code, birth_registration_commune_code, source)"
            " VALUES (:number, 'An', :born, 'FEMALE', :province, :commune, :registered, :source)",
            number=personal_id,
            born=born,
            province=None if commune is None else "01" if commune == CUA_NAM else "79",
            commune=commune,
            registered=SAI_GON,
            source=source,
        )
        return personal_id

    return add


@pytest.fixture
def told(client, owner):
    async def told(**asked: object) -> dict[str, dict[str, int]]:
        params = {"since": today() - timedelta(days=1), **asked}
        reply = await client.get(URL, params=params, headers=owner)
        assert reply.status_code == 200, reply.text
        return {
            unit["code"] or unit["name"]: {cell["kind"]: cell["count"] for cell in unit["cells"]}
            for unit in reply.json()["items"]
        }

    return told


class TestMovements:
    async def test_births_and_first_entries_are_told_apart_and_loads_are_neither(self, add, told):
        await add(1, born=today() - timedelta(days=20), commune=None)
        await add(2, born=date(1990, 1, 1))
        await add(3, born=date(1990, 1, 1), source="import:synthetic")
        assert await told() == {"79": {"BIRTH": 1, "ENTRY": 1}}
        assert await told(level="COMMUNE") == {SAI_GON: {"BIRTH": 1, "ENTRY": 1}}

    @pytest.mark.parametrize("folded", [False, True])
    async def test_a_move_counts_at_each_level_whose_units_differ(self, add, run, told, runtime, folded):
        one, two = await add(1, born=date(1990, 1, 1)), await add(2, born=date(1990, 1, 1))
        await run(MOVE, number=one, province="79", commune=BEN_THANH)
        await run(MOVE, number=two, province="01", commune=CUA_NAM)
        if folded:
            await fold(runtime)
        assert await told(level="COMMUNE") == {
            SAI_GON: {"DEPARTURE": 2, "ENTRY": 2},
            BEN_THANH: {"ARRIVAL": 1},
            CUA_NAM: {"ARRIVAL": 1},
        }
        assert await told() == {"01": {"ARRIVAL": 1}, "79": {"DEPARTURE": 1, "ENTRY": 2}}
        assert await told(level="COUNTRY") == {"Việt Nam": {"ENTRY": 2}}
        assert await told(level="COMMUNE", province_code="01") == {CUA_NAM: {"ARRIVAL": 1}}

    async def test_a_death_that_is_taken_back_counts_no_more_and_the_dead_do_not_move(self, add, run, told):
        one = await add(1, born=date(1930, 1, 1), source="import:synthetic")
        two = await add(2, born=date(1930, 1, 1), source="import:synthetic")
        for number in (one, two):
            await run(DEAD, number=number, day=today())
        assert await told() == {"79": {"DEATH": 2}}
        await run(ALIVE, number=one)
        await run(MOVE, number=two, province="01", commune=CUA_NAM)
        assert await told() == {"79": {"DEATH": 1}}

    async def test_what_changes_something_else_is_no_movement(self, add, run, told):
        number = await add(1, born=date(1990, 1, 1), source="import:synthetic")
        await run("UPDATE persons SET given_name = 'Anh', version = version + 1")
        # Another number puts the row into another partition.
        await run("UPDATE persons SET personal_id = '079190000011' WHERE personal_id = :n", n=number)
        assert await told(level="COMMUNE") == {}

    async def test_days_are_those_of_recording(self, add, run, told):
        await add(1, born=date(1990, 1, 1))
        last_week = today() - timedelta(days=7)
        await run("UPDATE movement_deltas SET day = :day", day=last_week)
        await add(2, born=date(1990, 1, 1), commune=CUA_NAM)
        assert await told() == {"01": {"ENTRY": 1}}
        assert await told(since=last_week) == {"01": {"ENTRY": 1}, "79": {"ENTRY": 1}}
        assert await told(since=last_week, until=last_week) == {"79": {"ENTRY": 1}}


class TestDoor:
    @pytest.mark.parametrize(("since", "until"), [(0, -1), (0, 1), (1, None)])
    async def test_days_out_of_order_or_to_come_are_refused(self, client, owner, since, until):
        params = {"since": today() + timedelta(days=since)}
        if until is not None:
            params["until"] = today() + timedelta(days=until)
        reply = await client.get(URL, params=params, headers=owner)
        assert (reply.status_code, reply.json()["code"]) == (422, "statistics-day-invalid")

    async def test_who_read_them_is_on_record_and_others_are_refused(
        self, client, owner, as_operator, as_agency, agree, session
    ):
        params = {"since": today(), "level": "COUNTRY"}
        assert (await client.get(URL, params=params, headers=owner)).status_code == 200
        agree("G05", {"population.get_population_counts": []}, purposes=["STATISTICS"])
        for headers, status in ((as_operator("NDX", "mai"), 403), (as_agency("G05"), 401)):
            assert (await client.get(URL, params=params, headers=headers)).status_code == status
        found = text("SELECT details FROM audit_entries WHERE action = 'exact_population_movements_read'")
        (details,) = (await session.scalars(found)).all()
        assert details["level"] == "COUNTRY"
