"""A process that is killed, a database that restarts, a disk that is full: each line is told once, whole."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs.erasing import erase_due
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.working import work

from .conftest import Killed, csv_of

SLICE = 3
GUESSED_ABOUT = 7
"""The place of the line that states a wrong birth date, in the third slice."""
UNTIL_SLICE_3 = (
    "INSERT INTO verification_guards (agency, personal_id, wrong, window_ends_at)"
    " VALUES ('G03', :number, 0, clock_timestamp() + interval '1 hour')"
)
UNTIL_ITS_RESULT_IS_WRITTEN = "LOCK TABLE audit_entries IN EXCLUSIVE MODE"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "SLICE", SLICE)


@pytest_asyncio.fixture
async def people(add_person: Callable[..., Any]) -> list[str]:
    return [await add_person(f"0791900{n:05d}") for n in range(10)]


@pytest.fixture
def file(people: list[str]) -> bytes:
    days = [18 if n == GUESSED_ABOUT else 17 for n in range(len(people))]
    return csv_of(*(f"r{n},{people[n]},Lê An,1988-05-{day}" for n, day in enumerate(days)))


@pytest.fixture
def begin(settings: Any, insurance: Callable[..., Any], runtime: Any) -> Callable[..., Any]:
    """Start a process of its own that works on the jobs."""

    async def start(*, largest_file: int = 0) -> asyncio.subprocess.Process:
        insurance()
        agreement = runtime.agreements.get("DSA-G03-1")
        given = {
            "agreement": agreement.model_dump_json(),
            "slice": SLICE,
            "largest_file": largest_file,
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(Path(__file__).with_name("worker.py")),
            env={
                **os.environ,
                "POPULATION_DATABASE_URL": settings.asyncpg_dsn,
                "POPULATION_MATCH_JOB_FOLDER": str(settings.match_job_folder),
                "POPULATION_PERSONAL_ID_KEY_FILE": str(settings.personal_id_key_file),
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(json.dumps(given).encode())
        process.stdin.close()
        return process

    return start


async def through(process: asyncio.subprocess.Process) -> None:
    told, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    assert b"is through" in told


async def expect_each_line_once(agency: Any, job: str, people: list[str], disclosed: Any) -> None:
    """Look at all that a job leaves: its counts, its result, its records."""
    shown = await agency.show(job)
    counts = shown["counts"]
    assert (shown["state"], counts["lines"], counts["matched"], counts["mismatch"]) == ("FINISHED", 10, 9, 1)
    result = (await agency.result(job))[1:]
    assert [line.split(",")[:2] for line in result] == [[str(n + 1), f"r{n}"] for n in range(10)]
    assert [n for n, line in enumerate(result) if ",MISMATCH," in line] == [GUESSED_ABOUT]
    assert sorted(r["subjects"][0] for r in await disclosed()) == sorted(people)


class TestKilled:
    @pytest.mark.parametrize("held_up", [UNTIL_SLICE_3, UNTIL_ITS_RESULT_IS_WRITTEN])
    async def test_a_killed_process_loses_nothing_and_tells_nothing_twice(
        self,
        agency: Any,
        begin: Callable[..., Any],
        runtime: Any,
        small: None,
        people: list[str],
        file: bytes,
        disclosed: Any,
        session: Any,
        held_up: str,
    ) -> None:
        job = await agency.upload(file)
        folder = runtime.settings.match_job_folder / job
        at, written = (6, 2) if held_up == UNTIL_SLICE_3 else (9, 4)

        async def lines() -> int:
            found = await session.scalar(text("SELECT lines FROM match_jobs"))
            await session.rollback()
            return found or 0

        # Another transaction holds what the slice needs: before that the process cannot be through.
        async with runtime.sessions() as other:
            needs = {"number": people[GUESSED_ABOUT]} if ":number" in held_up else {}
            await other.execute(text(held_up), needs)
            process = await begin()
            while process.returncode is None and not (  # noqa: ASYNC110 - it is another process
                await lines() >= at and len(list(folder.glob("result-??????"))) >= written
            ):
                await asyncio.sleep(0.02)
            assert process.returncode is None, (await process.stderr.read()).decode()
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
        # What the killed one had begun is undone as soon as the server sees that it is gone.
        shown = await agency.show(job)
        assert (shown["state"], shown["counts"]["lines"]) == ("RUNNING", at)
        await work(runtime)
        await expect_each_line_once(agency, job, people, disclosed)
        assert list(folder.glob("part-*")) == []
        assert await session.scalar(text("SELECT sum(wrong) FROM verification_guards")) == 1
        await session.rollback()
        # A half-written file of the killed process goes with the rest.
        (folder / "result-000004.0123").touch()
        await session.execute(text("UPDATE match_jobs SET expires_at = clock_timestamp()"))
        await session.commit()
        assert await erase_due(runtime) == 1
        assert not folder.exists()

    async def test_a_file_whose_job_has_ended_is_erased_though_its_process_was_killed_before_that(
        self,
        agency: Any,
        runtime: Any,
        small: None,
        people: list[str],
        file: bytes,
        disclosed: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        job = await agency.upload(file)

        def killed(_: JobFiles) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(JobFiles, "erase_upload", killed)
            with pytest.raises(Killed):
                await work(runtime)
        folder = runtime.settings.match_job_folder / job
        assert list(folder.glob("part-*"))
        assert await erase_due(runtime) == 0
        assert list(folder.glob("part-*")) == []
        await expect_each_line_once(agency, job, people, disclosed)


class TestDatabaseRestarts:
    @pytest.mark.parametrize("result", [1, 3, 4])
    async def test_a_job_goes_on_where_it_stood(
        self,
        agency: Any,
        runtime: Any,
        small: None,
        people: list[str],
        file: bytes,
        disclosed: Any,
        postgres_url: str,
        monkeypatch: pytest.MonkeyPatch,
        result: int,
    ) -> None:
        job = await agency.upload(file)
        written = JobFiles.write
        name = runtime.engine.url.database
        cut: list[Path] = []

        async def restart() -> None:
            # As a restart does: the server ends every session of this database.
            admin = await asyncpg.connect(postgres_url)
            await admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
            )
            await admin.close()

        def cuts(self: JobFiles, place: Path, content: bytes) -> None:
            written(self, place, content)
            if place.name == f"result-{result:06d}" and not cut:
                cut.append(place)
                asyncio.run(restart())  # in the thread that writes

        monkeypatch.setattr(JobFiles, "write", cuts)
        with pytest.raises((DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
            await work(runtime)
        assert (await agency.show(job))["counts"]["lines"] == SLICE * (result - 1)
        await work(runtime)
        await expect_each_line_once(agency, job, people, disclosed)


class TestDiskIsFull:
    async def test_a_job_waits_says_so_and_leaves_nothing_half_done(
        self,
        agency: Any,
        begin: Callable[..., Any],
        runtime: Any,
        small: None,
        people: list[str],
        file: bytes,
        disclosed: Any,
    ) -> None:
        job = await agency.upload(file)
        await through(await begin(largest_file=40))
        shown = await agency.show(job)
        assert (shown["state"], shown["waiting_for"], shown["counts"]["lines"]) == (
            "QUEUED",
            "file-storage-full",
            0,
        )
        assert await disclosed() == []
        assert list((runtime.settings.match_job_folder / job).glob("result-*")) == []
        await work(runtime)
        await expect_each_line_once(agency, job, people, disclosed)
