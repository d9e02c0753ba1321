import asyncio
from pathlib import Path

import asyncpg
import pytest
from ndx_demo import national
from ndx_demo.national import Disk, DiskShort, OtherPopulation, Progress, kept, load_in_parts
from ndx_demo.population import people
from ndx_demo.population.rows import lines
from svc_population.imports.service import load_persons

GB = 1_000_000_000


class TestHowManyPeople:
    def test_a_hundred_million_when_the_disk_holds_them_ten_million_otherwise(self):
        assert Disk(Path(), free=400 * GB, loaded=0, per_person=1_200).choose(None) == 100_000_000
        assert Disk(Path(), free=60 * GB, loaded=0, per_person=1_200).choose(None) == 10_000_000

    def test_a_short_disk_is_told_with_what_would_fit(self):
        short = Disk(Path("/data"), free=10 * GB, loaded=0, per_person=1_200)
        with pytest.raises(DiskShort, match=r"need 21\.4 GB in /data, and 10\.0 GB are free.*N=2000000"):
            short.choose(None)
        assert short.choose(short.holds()) == 2_000_000

    def test_who_is_loaded_already_needs_no_room(self):
        assert Disk(Path(), free=8 * GB, loaded=9_900_000, per_person=1_200).choose(10_000_000) == 10_000_000


class TestProgress:
    def test_it_says_how_long_the_rest_takes(self):
        told: list[str] = []
        Progress(10_000_000, told.append, before=2_000_000, here=3_000_000, started=100.0).tell(400.0)
        assert told == ["  5,000,000 of 10,000,000 people (50 %), 10,000/s, 8 min left"]


class TestLoadInParts:
    PEOPLE, SEED = 9_000, 3

    @pytest.fixture(autouse=True)
    def small_parts(self, monkeypatch):
        monkeypatch.setattr(people, "BLOCK_HOMES", 500)
        monkeypatch.setattr(national, "PART_BLOCKS", 2)

    async def _load(self, url: str, folder: Path, **how) -> int:
        return await asyncio.to_thread(
            load_in_parts, url, how.pop("people", self.PEOPLE), seed=self.SEED, folder=folder, **how
        )

    async def test_a_load_that_was_ended_goes_on_and_has_the_same_people(
        self, tmp_path, database_url, monkeypatch
    ):
        parts: list[str] = []

        async def ends_in_the_third(url, texts, *, source, report):
            parts.append(source)
            if len(parts) == 3:
                # Some of the part is there when the process ends.
                some = [next(texts), next(texts)]
                await load_persons(url, iter(some), source="cut", report=report)
                raise KeyboardInterrupt
            return await load_persons(url, texts, source=source, report=report)

        with monkeypatch.context() as patch:
            patch.setattr(national, "load_persons", ends_in_the_third)
            with pytest.raises(KeyboardInterrupt):
                await self._load(database_url, tmp_path)
        before = await kept(database_url)
        assert (len(before.parts), before.people) == (2, self.PEOPLE)
        assert 0 < before.loaded < self.PEOPLE

        told: list[str] = []
        assert await self._load(database_url, tmp_path, report=told.append) == self.PEOPLE - before.loaded
        assert told[-1].startswith("  9,000 of 9,000 people (100 %)")
        assert told[-1].endswith("all there")
        assert await self._load(database_url, tmp_path) == 0
        wanted = {
            row.split(",", 1)[0] for row in "".join(lines(self.PEOPLE, seed=self.SEED)).splitlines()[1:]
        }
        connection = await asyncpg.connect(database_url)
        there = {row["personal_id"] for row in await connection.fetch("SELECT personal_id FROM persons")}
        await connection.close()
        assert there == wanted

    async def test_another_number_of_people_is_refused(self, tmp_path, database_url):
        await self._load(database_url, tmp_path, people=1_000)
        with pytest.raises(OtherPopulation, match="1,000 people, not 9,000"):
            await self._load(database_url, tmp_path)

    async def test_a_disk_that_fills_ends_the_load_in_time_and_keeps_what_is_there(
        self, tmp_path, database_url, monkeypatch
    ):
        free = iter([2 * GB, 2 * GB, 2 * GB])
        with monkeypatch.context() as patch:
            patch.setattr(national, "disk_usage", lambda _: _Usage(next(free, GB // 2)))
            with pytest.raises(DiskShort, match=r"only 0\.5 GB are free in .* goes on from here"):
                await self._load(database_url, tmp_path)
        assert (await kept(database_url)).loaded > 0
        await self._load(database_url, tmp_path)
        assert (await kept(database_url)).loaded == self.PEOPLE


class _Usage:
    def __init__(self, free: int) -> None:
        self.free = free
