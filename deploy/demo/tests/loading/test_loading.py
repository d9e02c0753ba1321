import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import asyncpg
from ndx_demo.loading import load_population
from ndx_local.stack import Stack


@dataclass
class _Paths:
    home: Path


class _Stack:
    """Says where the population database is, like a running stack."""

    def __init__(self, home: Path, url: str) -> None:
        self.paths = _Paths(home)
        self._url = url

    def env(self, service: str) -> dict[str, str]:
        assert service == "population"
        return {"POPULATION_DATABASE_URL": self._url}


class TestLoadPopulation:
    async def test_everybody_is_loaded_once_and_fits_the_service(self, tmp_path, database_url):
        stack = _Stack(tmp_path, database_url)
        first = await asyncio.to_thread(load_population, cast("Stack", stack), 2_000)
        again = await asyncio.to_thread(load_population, cast("Stack", stack), 2_000)
        assert (first.inserted, again.inserted, again.seconds) == (2_000, 0, 0.0)
        connection = await asyncpg.connect(database_url)
        row = await connection.fetchrow("SELECT rejected, wrong_structure, inserted FROM imports")
        unknown = await connection.fetchval(
            "SELECT count(*) FROM relationships r"
            " LEFT JOIN persons p ON p.personal_id = r.related_personal_id WHERE p.personal_id IS NULL"
        )
        await connection.close()
        assert row is not None
        assert tuple(row) == (0, 0, 2_000)
        assert unknown == 0
