"""A run opens cases for people to decide, each pair once for ever, and leaves nobody's data on the disk."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from ndx_contracts.agreements import AdminScope
from sqlalchemy import text
from svc_population.dedupe import __main__ as command
from svc_population.dedupe import repository
from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.model import load_model
from svc_population.dedupe.service import Asked, Found, find_duplicates
from svc_population.reconciliation.service import GROUPS

pytestmark = pytest.mark.integration
ONE, TWO, THREE = "079190000011", "099190000012", "099190000013"
CASES = "/population/v1/reconciliation-cases"
ASKED = Asked("CA-7", "HS-1", memory="512MB", threads=1)
FAMILY = {
    "surname": "Trần",
    "birth_date": date(1990, 5, 17),
    "sex": "FEMALE",
    "legacy_id_number": "024000001",
    "phone": "+840009000001",
}

Run = Callable[[], Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "dedupe"


@pytest.fixture
def run(runtime, settings, folder) -> Run:
    async def once() -> Found:
        return await find_duplicates(
            runtime.sessions, settings.asyncpg_dsn, folder, model=load_model(), asked=ASKED
        )

    return once


@pytest.fixture
async def three_records_of_one(add_person) -> None:
    await add_person(ONE, **FAMILY, middle_name="Thị", given_name="Hoà")
    await add_person(TWO, **FAMILY, middle_name="Thị", given_name="Hòa", permanent_commune_code="00091")
    await add_person(THREE, **FAMILY, middle_name="Thị", given_name="Hóa")


@pytest.fixture
def commune(agree: Callable[..., Any], as_agency: Callable[..., dict[str, str]]) -> dict[str, str]:
    operations = ("list_reconciliation_cases", "decide_reconciliation_case")
    agree(
        "X26740",
        {f"population.{n}": list(GROUPS) for n in operations},
        purposes=["DATA_RECONCILIATION"],
        admin_scope=AdminScope(communes=("26740", "00091")),
    )
    return as_agency("X26740", purpose="DATA_RECONCILIATION", ndx_officer="CA-7")


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

    async def test_a_run_that_fails_says_so_and_leaves_nothing(self, runtime, settings, folder, session):
        nowhere = settings.asyncpg_dsn.rpartition("/")[0] + "/no_such_copy"
        with pytest.raises(asyncpg.PostgresError):
            await find_duplicates(
                runtime.sessions,
                settings.asyncpg_dsn,
                folder,
                model=load_model(),
                asked=ASKED,
                reading_from=nowhere,
            )
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


class TestTrain:
    async def test_a_trained_model_is_another_version_with_what_strangers_have_in_common_here(
        self, settings, folder, session, truth, tmp_path, monkeypatch
    ):
        out = tmp_path / "model.json"
        monkeypatch.setenv("POPULATION_DATABASE_URL", settings.asyncpg_dsn)
        monkeypatch.setenv("POPULATION_DEDUPE_FOLDER", str(folder))
        asked = ["train", "--officer", "CA-7", "--case", "HS-1", "--threads", "1", "--out", str(out)]
        assert await asyncio.to_thread(command.main, asked) == 0
        before, after = load_model(), load_model(out)
        assert after.version > before.version
        assert (after.zones, after.labels()) == (before.zones, before.labels())
        of_sex = {
            level["label_for_charts"]: level.get("u_probability")
            for comparison in after.settings["comparisons"]
            if comparison["output_column_name"] == "sex"
            for level in comparison["comparison_levels"]
        }
        assert of_sex["SAME"] == pytest.approx(0.5, abs=0.05)
        written = out.read_text("utf-8")
        assert not [one for one in truth if one.original in written or one.added in written]
        actions = await session.scalars(text("SELECT action FROM audit_entries"))
        assert list(actions) == ["dedupe_model_trained"]
        assert not folder.exists()


_KILLED_WHEN_ALL_ARE_READ = """
import os, signal, sys
from svc_population.dedupe import __main__, engines
def die(self, model): os.kill(os.getpid(), signal.SIGKILL)
engines.DuckDb.pairs = die
__main__.main(sys.argv[1:])
"""


@pytest.mark.usefixtures("three_records_of_one")
class TestKill:
    async def test_what_a_killed_run_left_is_for_its_user_alone_and_the_next_run_erases_it(
        self, settings, folder, session
    ):
        environment = {
            **os.environ,
            "POPULATION_DATABASE_URL": settings.asyncpg_dsn,
            "POPULATION_DEDUPE_FOLDER": str(folder),
        }
        asked = ("run", "--officer", "CA-7", "--case", "HS-1", "--memory", "512MB", "--threads", "1")

        async def command(*how: str) -> tuple[int | None, bytes]:
            process = await asyncio.create_subprocess_exec(
                sys.executable, *how, *asked, env=environment, stdout=asyncio.subprocess.PIPE
            )
            told, _ = await process.communicate()
            return process.returncode, told

        killed, _ = await command("-c", _KILLED_WHEN_ALL_ARE_READ)
        assert killed == -signal.SIGKILL
        left = [folder, *folder.iterdir()]
        assert {"work.duckdb", "ndx-dedupe"} <= {p.name for p in left}
        assert not [p for p in left if stat.S_IMODE(p.stat().st_mode) & 0o077]
        done, told = await command("-m", "svc_population.dedupe")
        assert (done, b"opened=3" in told) == (0, True)
        assert not folder.exists()
        states = await session.scalars(text("SELECT state FROM dedupe_runs ORDER BY id"))
        assert list(states) == ["INTERRUPTED", "FINISHED"]
