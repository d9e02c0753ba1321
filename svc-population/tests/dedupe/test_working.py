"""A run opens cases for people to decide, each pair once for ever, and leaves nobody's data on the disk."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from svc_population.dedupe import reading, repository, working
from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.model import load_model
from svc_population.dedupe.working import Found, Place, find_duplicates

from .conftest import ASKED, CASES, FAMILY, ONE, THREE, TWO

pytestmark = pytest.mark.integration

Run = Callable[[], Any]


@pytest.fixture
def run(place: Place) -> Run:
    async def once() -> Found:
        return await find_duplicates(place, model=load_model(), asked=ASKED)

    return once


@pytest.mark.usefixtures("three_records_of_one")
class TestFindDuplicates:
    async def test_each_pair_becomes_a_case_with_both_records_and_nothing_is_merged(
        self, run, client, commune, session, emitted, disclosed
    ):
        found = await run()
        assert (found.persons, found.sure, found.review, found.opened) == (3, 1, 2, 3)
        listed = (await client.get(CASES, headers=commune)).json()["items"]
        pairs = {frozenset((c["personal_id"], c["other_personal_id"])): c for c in listed}
        assert set(pairs) == {frozenset(p) for p in ((ONE, TWO), (ONE, THREE), (TWO, THREE))}
        sure = pairs[frozenset((ONE, TWO))]
        assert (sure["kind"], sure["state"], sure["agency"]) == ("DUP_IN_AGENCY", "CLERICAL_REVIEW", "G01")
        assert "zone: SURE" in sure["steps"][0]["evidence"]
        # The same name with its tone elsewhere is no difference; the communes are.
        assert [d["field"] for d in sure["disputed"]] == ["permanent_commune_code"]
        assert {e["type"] for e in await emitted()} == {"population.reconciliation-case-changed.v1"}
        assert {s for r in await disclosed() for s in r["subjects"]} == {ONE, TWO, THREE}
        assert await session.scalar(text("SELECT count(*) FROM persons")) == 3
        assert await session.scalar(text("SELECT count(*) FROM person_mergers")) == 0

    async def test_the_run_says_who_ran_it_and_how_many_were_read(self, run, session):
        found = await run()
        rows = (await session.execute(text("SELECT * FROM dedupe_runs"))).mappings().all()
        assert [(r["id"], r["state"], r["officer"], r["persons"]) for r in rows] == [
            (found.id, "FINISHED", "CA-7", 3)
        ]
        entries = (
            await session.execute(
                text(
                    "SELECT action, officer, case_id, details FROM audit_entries"
                    " WHERE entity_type = 'dedupe-run' ORDER BY id"
                )
            )
        ).all()
        assert [(a, o, c) for a, o, c, _ in entries] == [
            ("dedupe_run_started", "CA-7", "HS-1"),
            ("dedupe_run_ended", "CA-7", "HS-1"),
        ]
        assert entries[1].details["persons"] == 3
        assert ONE not in str(entries)

    async def test_a_pair_never_gets_a_second_case_also_after_it_was_found_different(
        self, run, client, commune, session
    ):
        await run()
        again = await run()
        assert (again.opened, again.known) == (0, 3)
        for case in (await client.get(CASES, headers=commune)).json()["items"]:
            reply = await client.post(
                f"{CASES}/{case['case_id']}/decide",
                json={"state": "CONFIRMED_DIFFERENT", "note": "Hai người"},
                headers=commune,
            )
            assert reply.status_code == 200, reply.text
        again = await run()
        assert (again.opened, again.known) == (0, 3)
        states = await session.scalars(text("SELECT DISTINCT state FROM reconciliation_cases"))
        assert list(states) == ["CONFIRMED_DIFFERENT"]

    async def test_of_four_records_two_pairs_wait_until_other_cases_are_decided(
        self, run, client, commune, add_person
    ):
        await add_person("099190000019", **FAMILY, middle_name="Thị", given_name="Hòa")
        first = await run()
        assert (first.sure + first.review, first.opened, first.deferred) == (6, 4, 2)
        for case in (await client.get(CASES, headers=commune)).json()["items"]:
            body = {"state": "CONFIRMED_SAME", "note": "Một người"}
            reply = await client.post(f"{CASES}/{case['case_id']}/decide", json=body, headers=commune)
            assert reply.status_code == 200, reply.text
        again = await run()
        assert (again.opened, again.known, again.deferred) == (2, 4, 0)

    async def test_nothing_is_left_on_the_disk(self, run, folder):
        await run()
        assert not folder.exists()

    async def test_a_run_that_fails_says_so_and_leaves_nothing(self, place, settings, folder, session):
        nowhere = settings.asyncpg_dsn.rpartition("/")[0] + "/no_such_copy"
        with pytest.raises(asyncpg.PostgresError):
            await find_duplicates(replace(place, reading_from=nowhere), model=load_model(), asked=ASKED)
        assert await session.scalar(text("SELECT state FROM dedupe_runs")) == "FAILED"
        assert not folder.exists()

    async def test_two_runs_at_once_are_one_too_many(self, run, settings):
        async with repository.alone(settings.asyncpg_dsn):
            with pytest.raises(DedupeRefused):
                await run()

    async def test_a_folder_with_other_files_is_left_alone(self, run, folder):
        folder.mkdir()
        (folder / "letter").touch()
        with pytest.raises(DedupeRefused):
            await run()
        assert (folder / "letter").exists()


# Dies in the transaction of the second batch, after one pair is settled.
_KILLED = """
import os, signal, sys
from svc_population.dedupe import __main__, working
settle, calls, working.BATCH = working._settle, [], 1
async def second(*given):
    await settle(*given)
    calls.append(1)
    if len(calls) == 2:
        await given[0].flush()
        os.kill(os.getpid(), signal.SIGKILL)
working._settle = second
__main__.main(sys.argv[1:])
"""


@pytest.fixture
def kill(settings: Any, folder: Path) -> Run:
    """Run the command in a process of its own that is killed; give what it left on the disk."""

    async def killed() -> list[Path]:
        environment = {
            **os.environ,
            "POPULATION_DATABASE_URL": settings.asyncpg_dsn,
            "POPULATION_DEDUPE_FOLDER": str(folder),
        }
        asked = ("run", "--officer", "CA-7", "--case", "HS-1", "--memory", "512MB", "--threads", "1")
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", _KILLED, *asked, env=environment)
        assert await process.wait() == -signal.SIGKILL
        return [folder, *await asyncio.to_thread(lambda: list(folder.iterdir()))]

    return killed


def nobody_is_read(*_: object) -> Any:
    raise AssertionError("everybody was read again")


@pytest.mark.usefixtures("three_records_of_one")
class TestKill:
    async def test_a_run_killed_between_its_cases_goes_on_behind_the_last_one_and_opens_none_twice(
        self, kill, run, folder, session, monkeypatch
    ):
        left = await kill()
        assert {"people.parquet", "pairs-1.parquet", "ndx-dedupe"} <= {p.name for p in left}
        assert not [p for p in left if stat.S_IMODE(p.stat().st_mode) & 0o077]
        before = (await session.execute(text("SELECT * FROM dedupe_runs"))).mappings().one()
        assert (before["state"], before["stage"], before["settled"]) == ("RUNNING", "OPENING", 1)
        assert await session.scalar(text("SELECT count(*) FROM reconciliation_cases")) == 1
        await session.rollback()
        monkeypatch.setattr(reading, "stream", nobody_is_read)
        monkeypatch.setattr(working.Search, "_compare", _no_part_is_compared(working.Search._compare))
        found = await run()
        assert (found.id, found.resumed, found.persons) == (before["id"], 1, 3)
        assert (found.sure, found.review, found.opened, found.known) == (1, 2, 3, 0)
        after = (await session.execute(text("SELECT * FROM dedupe_runs"))).mappings().one()
        assert (after["state"], after["settled"], sum(after["rules"].values())) == ("FINISHED", 3, 3)
        rows = "SELECT count(*), count(DISTINCT reference) FROM reconciliation_cases"
        assert (await session.execute(text(rows))).one() == (3, 3)
        assert not folder.exists()


@pytest.fixture
def lose_the_database(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the next call of one step of a run find no database; what came before it is committed."""

    def at(step: str, *, after: int = 0) -> None:
        whole, calls = getattr(working, step), []
        monkeypatch.setattr(working, "BATCH", 1)

        async def once(*given: Any) -> Any:
            calls.append(step)
            if len(calls) == after + 1:
                raise ConnectionError("away")
            return await whole(*given)

        monkeypatch.setattr(working, step, once)

    return at


@pytest.mark.usefixtures("three_records_of_one")
class TestDatabaseAway:
    async def test_a_run_that_loses_its_database_waits_and_goes_on_where_it_was(
        self, run, folder, session, lose_the_database, monkeypatch
    ):
        lose_the_database("_settle", after=2)
        with pytest.raises(ConnectionError):
            await run()
        state = await session.execute(text("SELECT state, settled FROM dedupe_runs"))
        assert state.one() == ("RUNNING", 2)
        assert folder.exists()
        await session.rollback()
        monkeypatch.setattr(reading, "stream", nobody_is_read)
        found = await run()
        assert (found.opened, found.known, found.resumed) == (3, 0, 1)
        assert not folder.exists()

    async def test_a_run_whose_files_are_lost_begins_anew_as_another_one(
        self, run, folder, session, lose_the_database
    ):
        lose_the_database("_settle", after=1)
        with pytest.raises(ConnectionError):
            await run()
        (folder / "people.parquet").unlink()
        found = await run()
        assert (found.opened, found.known, found.resumed) == (2, 1, 0)
        states = await session.scalars(text("SELECT state FROM dedupe_runs ORDER BY id"))
        assert list(states) == ["INTERRUPTED", "FINISHED"]


def _no_part_is_compared(compare: Any) -> Any:
    async def without(self: Any, engine: Any, persons: int) -> Any:
        engine.compare = nobody_is_read
        return await compare(self, engine, persons)

    return without
