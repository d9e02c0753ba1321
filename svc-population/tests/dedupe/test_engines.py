"""The pairs that the model finds in a country whose duplicates, twins and namesakes are known."""

import os
import stat
from collections import Counter
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from ndx_contracts.names import tone_key
from ndx_demo.population.duplicates import Kind, Truth
from svc_population.dedupe.engines import DuckDb, Pair, pairs_of
from svc_population.dedupe.model import load_model
from svc_population.dedupe.reading import COLUMNS, QUERY, stream
from svc_population.dedupe.vocabulary import Zone
from svc_population.dedupe.workspace import Workspace

pytestmark = pytest.mark.integration
MODEL = load_model()


async def found(database_url: str, folder: Path) -> list[Pair]:
    workspace = Workspace(folder / "work")
    workspace.begin(UUID(int=1))
    persons = await stream(database_url, workspace.take)
    engine = DuckDb(workspace, memory="1GB", threads=1)
    try:
        engine.compare(MODEL, 1, persons)
    finally:
        engine.close()
    return [p for p in pairs_of(MODEL, workspace.rows(1)) if p is not None]


class TestWorkFiles:
    async def test_only_the_process_own_user_may_read_them_while_they_are_there(
        self, database_url: str, few: list[Truth], tmp_path: Path
    ):
        """DuckDB does not encrypt them, so their modes and their disk have to do."""
        before = os.umask(0o022)
        try:
            workspace = Workspace(tmp_path / "work")
            workspace.begin(UUID(int=1))
            persons = await stream(database_url, workspace.take)
            engine = DuckDb(workspace, memory="1GB", threads=1)
            engine.compare(MODEL, 1, persons)
            files = [p for p in workspace.folder.rglob("*") if p.is_file()]
            engine.close()
        finally:
            os.umask(before)
        assert {"work.duckdb", "people.parquet", "pairs-1.parquet"} <= {p.name for p in files}
        folders = [p for p in workspace.folder.rglob("*") if p.is_dir()]
        assert {stat.S_IMODE(p.stat().st_mode) for p in files if p.exists()} == {0o600}
        assert {stat.S_IMODE(p.stat().st_mode) for p in (workspace.folder, *folders)} == {0o700}


class TestPairs:
    async def test_no_twin_and_no_namesake_is_sure_and_every_kind_of_fault_is_found(
        self, database_url: str, truth: list[Truth], tmp_path: Path
    ):
        pairs = {(p.one, p.other): p for p in await found(database_url, tmp_path)}
        zones: Counter[tuple[Kind, Zone]] = Counter()
        known = set()
        for one in truth:
            key = (min(one.original, one.added), max(one.original, one.added))
            known.add(key)
            zones[one.kind, pairs[key].zone if key in pairs else Zone.NO] += 1
        kinds = {one.kind for one in truth}
        assert kinds == set(Kind)
        for kind in kinds:
            total = sum(zones[kind, z] for z in Zone)
            if not kind.is_one_person:
                assert zones[kind, Zone.SURE] == 0, kind
            else:
                assert zones[kind, Zone.NO] <= total * 0.1, (kind, zones)
        assert not [p for key, p in pairs.items() if p.zone is Zone.SURE and key not in known]
        plain = (Kind.IDENTICAL, Kind.MIDDLE_MISSING, Kind.MOVED)
        for kind in (*plain, Kind.DATE_SWAPPED, Kind.DATE_DIGIT, Kind.YEAR_ONLY):
            assert zones[kind, Zone.SURE] > zones[kind, Zone.REVIEW], (kind, zones)
        # A tone may be a fault, or a twin's other name: people look, unless the old number is the same.
        for kind in (Kind.TYPO, Kind.TONE):
            assert zones[kind, Zone.REVIEW] > zones[kind, Zone.SURE], (kind, zones)

    async def test_a_country_without_duplicates_has_nobody_who_is_sure(
        self, add_person, database_url: str, tmp_path: Path
    ):
        await add_person("079190000011")
        await add_person("079088000022")
        assert await found(database_url, tmp_path) == []


class TestKeys:
    async def test_spellings_of_one_name_have_one_key_and_tones_tell_names_apart(
        self, add_person, database_url: str
    ):
        names = {
            "079190000011": ("Vũ", "Thị", "Hoà"),
            "079190000012": ("VŨ", "Thị", "Hòa"),
            "079190000013": ("Võ", None, "Hóa"),
            "079190000014": ("Võ", "Giang", "Hoa"),
        }
        for number, (surname, second, given) in names.items():
            await add_person(number, surname=surname, middle_name=second, given_name=given)
        connection = await asyncpg.connect(database_url)
        rows = {r[0]: dict(zip(COLUMNS, r, strict=True)) for r in await connection.fetch(QUERY)}
        await connection.close()
        one, same, tone, middle = (rows[number] for number in sorted(names))
        assert one["name_toned"] == same["name_toned"] != tone["name_toned"]
        assert tone_key("Hoà") == tone_key("Hòa")
        assert one["name_key"] == same["name_key"] == tone["name_key"] == "VO HOA"
        assert (middle["middle_toned"], middle["name_short"], tone["middle_toned"]) == ("giang", "VO HOA", "")
