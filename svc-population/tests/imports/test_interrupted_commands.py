"""A database without room ends a command in words that quote nobody; run again, nothing is lost or twice."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text
from svc_population.imports import changes as change_files
from svc_population.imports import changing, main, records

NUMBERS = [f"0791900{n:05}" for n in range(30)]
DOCUMENT = {"kind": "list", "number": "L-1", "issued_by": "CA", "issued_on": "2026-11-02"}
STOPS = {
    "disk full": "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'",
    "restart": "PERFORM pg_terminate_backend(pg_backend_pid())",
}


@pytest.fixture(autouse=True)
def _command(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    monkeypatch.setenv("POPULATION_DATABASE_URL", settings.asyncpg_dsn)
    monkeypatch.setattr(changing, "BATCH", 10)
    monkeypatch.setattr(changing, "PAUSES", (0.0,))
    monkeypatch.setattr(records, "CHUNK_CHARACTERS", 300)


@pytest.fixture
def stopped(runtime: Any) -> Callable[..., Any]:
    """Let the database stop whoever writes the row of one person; return what ends that."""

    async def begin(table: str, condition: str, how: str) -> Callable[[], Any]:
        body = f"$$BEGIN {STOPS[how]}; RETURN NEW; END$$"
        make = f"CREATE FUNCTION stop() RETURNS trigger LANGUAGE plpgsql AS {body}"
        on = (
            f"CREATE TRIGGER stop BEFORE INSERT ON {table} FOR EACH ROW"
            f" WHEN ({condition}) EXECUTE FUNCTION stop()"
        )
        async with runtime.sessions() as own, own.begin():
            for statement in (make, on):
                await own.execute(text(statement))

        async def end() -> None:
            async with runtime.sessions() as own, own.begin():
                await own.execute(text("DROP FUNCTION stop CASCADE"))

        return end

    return begin


@pytest.mark.parametrize("how", list(STOPS))
class TestStopped:
    async def test_a_change_file_goes_on_where_it_stood(
        self, stopped: Any, add_person: Any, session: Any, emitted: Any, tmp_path: Path, capsys: Any, how: str
    ) -> None:
        for number in NUMBERS:
            await add_person(number)
        file = tmp_path / "changes.ndjson"
        line = {"kind": "CHANGE", "effective_from": "2026-11-01", "document": DOCUMENT}
        changed = {"other_name": "Hoa Hồng"}
        file.write_text(
            "".join(json.dumps({**line, "personal_id": n, "changes": changed}) + "\n" for n in NUMBERS),
            "utf-8",
        )
        found = await session.execute(
            text("SELECT person_id FROM persons WHERE personal_id = :n"), {"n": NUMBERS[25]}
        )
        go_on = await stopped("person_history", f"NEW.person_id = '{found.scalar_one()}'", how)
        await session.rollback()
        arguments = ["apply", str(file), "--agency", "G01"]
        assert await asyncio.to_thread(change_files.main, arguments) == 1
        told = capsys.readouterr().err
        assert "run it again" in told
        assert not any(secret in told for secret in ("Hoa", *NUMBERS))
        assert await session.scalar(text("SELECT position FROM change_files")) == 20
        assert await session.scalar(text("SELECT count(*) FROM change_file_errors")) == 0
        await session.rollback()
        await go_on()
        assert await asyncio.to_thread(change_files.main, arguments) == 0
        assert "changes=30, applied=30, unchanged=0, refused=0" in capsys.readouterr().out
        assert list(await session.scalars(text("SELECT DISTINCT version FROM persons"))) == [2]
        assert len(await emitted()) == len(NUMBERS)

    async def test_a_bulk_load_is_repeated(
        self, stopped: Any, database_url: str, tmp_path: Path, capsys: Any, how: str
    ) -> None:
        file = tmp_path / "people.csv"
        rows = "".join(f"{n},Hoa,1990-03-08,FEMALE,079170{n[6:]}\n" for n in NUMBERS)
        file.write_text("personal_id,given_name,birth_date,sex,mother_personal_id\n" + rows, "utf-8")
        go_on = await stopped("persons", f"NEW.personal_id = '{NUMBERS[25]}'", how)
        assert await asyncio.to_thread(main.main, [str(file)]) == 1
        told = capsys.readouterr().err
        assert "run it again" in told
        assert not any(secret in told for secret in ("Hoa", *NUMBERS))
        connection = await asyncpg.connect(database_url)
        people, mothers = "SELECT count(*) FROM persons", "SELECT count(*) FROM relationships"
        before = await connection.fetchval(people)
        assert before < len(NUMBERS)
        # Nobody is there without the relatives that came along.
        assert await connection.fetchval(mothers) == before
        await go_on()
        assert await asyncio.to_thread(main.main, [str(file)]) == 0
        assert await connection.fetchval(people) == await connection.fetchval(mothers) == len(NUMBERS)
        assert await connection.fetchval("SELECT array_agg(state ORDER BY id) FROM imports") == [
            "FAILED",
            "FINISHED",
        ]
        await connection.close()
