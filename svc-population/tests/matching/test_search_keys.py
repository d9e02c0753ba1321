"""The database's keys and ours are the same, and queries use the indexes."""

import asyncpg
import pytest
import pytest_asyncio
from svc_population.matching.name_folding import unaccented_key
from svc_population.persons.search_keys import COMMUNE, GIVEN_NAME_KEY, NAME_KEY

from .test_name_folding import LETTERS, REAL_NAMES


@pytest_asyncio.fixture
async def connection(database_url):
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


class TestNameKey:
    async def test_the_database_folds_names_as_we_do(self, connection):
        latin = [chr(c) for c in range(0x41, 0x180) if chr(c).isalpha()]
        names = [*REAL_NAMES, *LETTERS, *LETTERS.upper(), *latin, "Nguye\u0302\u0303n", "Straße"]
        found = await connection.fetch("SELECT n, name_key(n) FROM unnest($1::text[]) n", names)
        assert [tuple(row) for row in found] == [(n, unaccented_key(n)) for n in names]

    async def test_keys_of_a_person_are_the_last_word_and_the_whole_name(self, connection, add_person):
        await add_person("079190000011", surname=None, middle_name=None, given_name="Thanh Hà")
        await add_person("079190000012", surname="Tôn Nữ", middle_name="Thị", given_name="Đào")
        rows = await connection.fetch(
            f"SELECT {GIVEN_NAME_KEY}, {NAME_KEY} FROM persons ORDER BY personal_id"  # noqa: S608 - constants
        )
        assert [tuple(r) for r in rows] == [("HA", "THANH HA"), ("DAO", "TON NU THI DAO")]

    @pytest.mark.parametrize(
        ("condition", "index"),
        [
            (f"{GIVEN_NAME_KEY} = 'AN' AND birth_date = '1990-01-01' AND {NAME_KEY} = 'LE AN'", "birth_date"),
            (f"{COMMUNE} = '26740' AND {GIVEN_NAME_KEY} = 'AN'", "permanent_commune_code"),
        ],
    )
    async def test_a_search_reads_an_index(self, connection, condition, index):
        await connection.execute("SET enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN SELECT * FROM persons WHERE {condition}")  # noqa: S608 - constants
        (line,) = {row[0].strip() for row in plan if "Index Cond" in row[0]}
        assert index in line
        assert "translate(upper(" in line
        assert not [row[0] for row in plan if "Filter" in row[0]]
