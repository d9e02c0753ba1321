"""A change file is applied once, whatever is wrong with some of its lines and whoever kills the process."""

import asyncio
import json
import os
import signal
import sys
from datetime import date
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text
from svc_population.imports import changes as command
from svc_population.imports import changing
from svc_population.imports.change_layout import changes, check
from svc_population.imports.changing import apply_changes, errors_of
from svc_population.imports.errors import ImportRefused

A, B = "079190000011", "079088000022"
DOCUMENT = {"kind": "list", "number": "L-1", "issued_by": "CA", "issued_on": "2026-11-02"}
CSV = (
    "personal_id,kind,effective_from,document.kind,document.number,document.issued_by,document.issued_on,"
    "religion,other_name,contact.phone,contact.email\n"
)


def line(personal_id=A, **values: Any) -> str:
    made = {
        "personal_id": personal_id,
        "kind": "CHANGE",
        "effective_from": "2026-11-01",
        "document": DOCUMENT,
        "changes": {"religion": "Phật giáo"},
        **values,
    }
    return json.dumps(made, ensure_ascii=False) + "\n"


@pytest.fixture
def written(tmp_path):
    def write(content: str | bytes, name="changes.ndjson"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def apply(runtime):
    async def run(path, **terms):
        return await apply_changes(runtime.sessions, path, agency="G01", **terms)

    return run


@pytest_asyncio.fixture
async def two(add_person):
    await add_person(A)
    await add_person(B)


async def people(session):
    rows = await session.execute(text("SELECT * FROM persons ORDER BY personal_id DESC"))
    await session.rollback()
    return rows.mappings().all()


class TestApply:
    async def test_each_line_is_applied_or_refused_for_itself(self, apply, written, two, session, emitted):
        content = (
            line()
            + line(B, changes={"contact": {"phone": "0900000002"}})
            + line("079190999999")
            + line(changes={"marital_status": "MARRIED"})
            + line(changes={"blood_group": "Z"})
            + "{not json\n"
            + line(A, changes={"religion": "Phật giáo"})
            + line(A, kind="CORRECTION", changes={"religion": None})
            + line(A, kind="CORRECTION", case_id="HS-1", changes={"religion": None})
            + line(A, changes={"religion": "x"}, nonsense_079190000011=1)
        )
        done = await apply(written(content))
        assert (done.changes, done.applied, done.unchanged, done.refused) == (10, 3, 1, 6)
        assert list(await errors_of(session, done.id)) == [
            (3, "person-not-found", None),
            (4, "source-of-truth-elsewhere", None),
            (5, "invalid-input", "changes.blood_group"),
            (6, "malformed-json", None),
            (8, "case-missing", None),
            (10, "invalid-input", ""),
        ]
        first, second = await people(session)
        assert (first["religion"], first["version"]) == (None, 3)
        assert (second["phone"], second["version"]) == ("0900000002", 2)
        events = await emitted()
        assert [e["data"]["version"] for e in events if e["key"] == str(first["person_id"])] == [2, 3]
        audits = await session.scalar(text("SELECT count(*) FROM audit_entries"))
        assert audits == len(events) == 3

    async def test_a_death_is_taken_back_by_file_as_by_a_call_and_everybody_hears_of_it(
        self, runtime, written, add_person, session, emitted
    ):
        dead = {"life_status": "DECEASED", "death_or_missing_date": date(2026, 1, 5)}
        await add_person(A, **dead)
        await add_person(B, **dead)
        await session.execute(
            text(
                "INSERT INTO registered_deaths (death_id, personal_id, died_on, source)"
                " VALUES (uuidv7(), :n, '2026-01-05', 'X26740:death')"
            ),
            {"n": B},
        )
        await session.commit()
        alive = {"kind": "CORRECTION", "case_id": "HS-1", "changes": {"death_or_missing_date": None}}
        done = await apply_changes(
            runtime.sessions, written(line(A, **alive) + line(B, **alive)), agency="G02"
        )
        assert (done.applied, list(await errors_of(session, done.id))) == (
            1,
            [(2, "death-is-registered", None)],
        )
        assert [p["life_status"] for p in await people(session)] == ["ALIVE", "DECEASED"]
        told = [e for e in await emitted() if e["type"] == "population.person-death-cancelled.v1"]
        assert [(e["data"]["personal_id"], e["data"]["died_on"], e["data"]["version"]) for e in told] == [
            (A, "2026-01-05", 2)
        ]

    async def test_changes_that_are_settled_together_come_out_as_one_by_one(
        self, apply, written, two, session, emitted
    ):
        former = "079090000001"
        await session.execute(
            text(
                "INSERT INTO former_personal_ids"
                " SELECT :former, person_id, personal_id, 'WRONG_ENTRY', 'QD', 'test'"
                " FROM persons WHERE personal_id = :number"
            ),
            {"former": former, "number": A},
        )
        await session.commit()
        correction = {"kind": "CORRECTION", "case_id": "HS-1"}
        content = (
            line(changes={"contact": {"phone": "0900000001"}})
            + line(B, changes={"contact": {"phone": "0900000002"}}, effective_from="2026-11-10")
            + line(former, changes={"contact": {"phone": "0900000003"}}, version=2)
            + line(B, changes={"contact": {"phone": "0900000004"}}, effective_from="2026-11-05")
            + line(B, changes={"religion": "x"}, version=1)
            + line(
                changes={"contact": {"phone": "0900000005"}},
                **correction,
                effective_from="2026-10-01",
                effective_to="2026-10-09",
            )
            + line(changes={"contact": {"phone": None, "email": "a@example.vn"}})
        )
        done = await apply(written(content))
        assert (done.applied, done.unchanged, done.refused) == (5, 0, 2), [*await errors_of(session, done.id)]
        assert list(await errors_of(session, done.id)) == [
            (4, "later-change-known", None),
            (5, "person-version-conflict", None),
        ]
        first, second = await people(session)
        assert (first["phone"], first["email"], second["phone"]) == (None, "a@example.vn", "0900000002")
        history = await session.execute(
            text("SELECT version, before, recorded_at FROM person_history WHERE person_id = :id ORDER BY 1"),
            {"id": first["person_id"]},
        )
        rows = history.all()
        assert [row.version for row in rows] == list(range(2, first["version"] + 1))
        assert [row.before["phone"] for row in rows[:2]] == [None, "0900000001"]
        assert rows[-1].recorded_at == first["recorded_at"]
        assert sorted(rows, key=lambda row: row.recorded_at) == rows
        events = await emitted()
        told = [e["data"]["version"] for e in events if e["key"] == str(first["person_id"])]
        assert (told[:2], told[-1]) == ([2, 3], first["version"])

    async def test_the_same_file_twice_is_no_change(self, apply, written, two, session, emitted):
        path = written(line() + line(B))
        first = await apply(path)
        again = await apply(written(path.read_bytes(), "under-another-name.ndjson"))
        assert (first.before, again.before, first.id) == (False, True, again.id)
        assert [p["version"] for p in await people(session)] == [2, 2]
        assert len(await emitted()) == 2

    async def test_a_csv_cell_is_data_whatever_it_begins_with(self, apply, written, two, session):
        rows = (
            f'{A},CHANGE,2026-11-01,list,L-1,CA,2026-11-02,"=HYPERLINK(""http://x"",""y"")",+1,'
            ",a@example.vn\n"
            f"{B},CHANGE,2026-11-01,list,L-1,CA,2026-11-02,\\N,,0900000009,\n"
            f"{B},CHANGE,2026-11-01\n"
        )
        done = await apply(written("\ufeff" + CSV + rows, "changes.csv"))
        assert (done.applied, done.unchanged, done.refused) == (2, 0, 1)
        assert list(await errors_of(session, done.id)) == [(3, "wrong-number-of-cells", None)]
        first, second = await people(session)
        assert (first["religion"], first["other_name"]) == ('=HYPERLINK("http://x","y")', "+1")
        assert (first["email"], second["phone"]) == ("a@example.vn", "0900000009")

    async def test_a_line_may_say_on_which_version_it_was_decided(self, apply, written, two, session):
        done = await apply(written(line(version=7)))
        assert list(await errors_of(session, done.id)) == [(1, "person-version-conflict", None)]

    async def test_a_version_that_is_none_costs_its_own_line(self, apply, written, two, session):
        header = CSV.replace("religion", "religion,version")
        row = f"{A},CHANGE,2026-11-01,list,L-1,CA,2026-11-02,x,{{}},,,\n"
        odd = ["²", "9" * 5000, "-1", "0"]
        done = await apply(written(header + "".join(row.format(v) for v in (*odd, "1"))))
        assert (done.applied, done.refused) == (1, len(odd))
        assert {(code, field) for _, code, field in await errors_of(session, done.id)} == {
            ("invalid-input", "version")
        }

    async def test_two_processes_at_one_file_apply_it_once(self, apply, written, two, session, monkeypatch):
        monkeypatch.setattr(changing, "BATCH", 1)
        content = "".join(line(changes={"contact": {"phone": f"09000000{n:02}"}}) for n in range(20))
        path = written(content)
        done = await asyncio.gather(apply(path), apply(path), return_exceptions=True)
        refused = [d for d in done if isinstance(d, BaseException)]
        assert all(isinstance(d, ImportRefused) for d in refused)
        last = await apply(path)
        assert (last.changes, last.applied) == (20, 20)
        assert (await people(session))[0]["version"] == 21


class TestTheDatabaseRefuses:
    async def test_one_change_is_refused_and_the_others_of_its_batch_are_made(
        self, apply, written, two, session, monkeypatch, emitted
    ):
        """What the rules let pass and a constraint does not."""
        await session.execute(
            text("ALTER TABLE persons ADD CONSTRAINT odd CHECK (other_name IS DISTINCT FROM 'odd')")
        )
        await session.commit()
        content = line() + line(B, changes={"other_name": "odd"}) + line(B)
        done = await apply(written(content))
        assert (done.applied, done.refused) == (2, 1)
        assert list(await errors_of(session, done.id)) == [(2, "refused-by-the-database", None)]
        assert [p["version"] for p in await people(session)] == [2, 2]
        assert len(await emitted()) == 2


class TestKill:
    async def test_a_killed_process_loses_nothing_and_does_nothing_twice(
        self, settings, written, add_person, session, runtime, emitted
    ):
        numbers = [f"0791900{n:05}" for n in range(300)]
        await session.execute(
            text(
                "INSERT INTO persons (personal_id, given_name, birth_date, sex, source)"
                " SELECT unnest(CAST(:numbers AS text[])), 'An', '1990-05-17', 'FEMALE', 'test'"
            ),
            {"numbers": numbers},
        )
        await session.commit()
        path = written("".join(line(n) for n in numbers))
        arguments = (sys.executable, "-m", command.__name__, "apply", str(path), "--agency", "G01")
        environment = {**os.environ, "POPULATION_DATABASE_URL": settings.asyncpg_dsn}

        async def position():
            found = await session.scalar(text("SELECT position FROM change_files"))
            await session.rollback()
            return found or 0

        # Somebody else works on a person in the middle: before that change the command cannot be through.
        held = text("SELECT 1 FROM persons WHERE personal_id = :number FOR UPDATE")
        async with runtime.sessions() as other:
            # For as long as it takes on a slow machine: a service gives up after a minute.
            await other.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            await other.execute(held, {"number": numbers[250]})
            process = await asyncio.create_subprocess_exec(*arguments, env=environment)
            while await position() < 100 and process.returncode is None:  # noqa: ASYNC110 - it is another's
                await asyncio.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
        reached = await position()
        assert 100 <= reached < 300
        again = await asyncio.create_subprocess_exec(
            *arguments, env=environment, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await again.communicate()
        assert again.returncode == 0
        assert b"changes=300, applied=300, unchanged=0, refused=0" in told
        versions = await session.scalars(text("SELECT DISTINCT version FROM persons"))
        assert list(versions) == [2]
        assert await session.scalar(text("SELECT count(*) FROM person_history")) == 300
        assert len({e["key"] for e in await emitted()}) == len(await emitted()) == 300


class TestFilesThatAreNone:
    @pytest.mark.parametrize(
        ("content", "words"),
        [
            (b"", "empty"),
            (line().encode()[:-20], "was cut"),
            (line().rstrip("\n").encode(), "was cut"),
            (line().encode("utf-16"), "UTF-16"),
            (line().encode() + b'{"a": "\xe1"}\n', "line 2 is not UTF-8"),
            (b"\x00\x01\n", "zero byte"),
            (b"x" * 1_000_001 + b"\n", "more than 1,000,000 bytes"),
            (b"personal_id,religion\n", "header"),
            (CSV.replace("religion", "religion,religion").encode(), "header"),
        ],
    )
    async def test_the_file_is_refused_whole_and_the_words_say_why(
        self, apply, written, two, session, content, words
    ):
        with pytest.raises(ImportRefused, match=words):
            await apply(written(content))
        assert await session.scalar(text("SELECT count(*) FROM change_files")) == 0

    async def test_a_file_that_is_not_the_one_that_was_sent(self, apply, written, two):
        path = written(line())
        with pytest.raises(ImportRefused, match="SHA-256"):
            await apply(path, sha256="0" * 64)
        assert (await apply(path, sha256=check(path).sha256.upper())).applied == 1

    @pytest.mark.parametrize(
        ("cell", "words"), [('"x', "line 103"), ("x" * 200_000, "line 103"), ('"x"y', "line 103")]
    )
    async def test_a_cell_without_an_end_is_found_before_anything_is_applied(
        self, apply, written, two, session, cell, words
    ):
        row = f"{A},CHANGE,2026-11-01,list,L-1,CA,2026-11-02,{{}},,,\n"
        whole = "".join(row.format(f"x{n}") for n in range(101))
        with pytest.raises(ImportRefused, match=words):
            await apply(written(CSV + whole + row.format(cell)))
        assert await session.scalar(text("SELECT count(*) FROM change_files")) == 0


class TestCommand:
    def test_a_missing_file_and_a_bad_one_end_with_words(self, tmp_path, capsys):
        assert command.main(["apply", str(tmp_path / "none"), "--agency", "G01"]) == 1
        (tmp_path / "empty").touch()
        assert command.main(["apply", str(tmp_path / "empty"), "--agency", "G01"]) == 1
        assert "the file is empty" in capsys.readouterr().err


class TestInterruptions:
    async def test_a_database_that_restarts_in_mid_file_costs_a_pause(
        self, apply, written, two, session, monkeypatch, postgres_url
    ):
        monkeypatch.setattr(changing, "BATCH", 5)
        monkeypatch.setattr(changing, "PAUSES", (0.1, 0.1, 0.1))
        whole = changing._settle
        cut: list[bool] = []

        async def settle(own, *arguments, **how):
            if len(cut) < 2:
                cut.append(True)
                # As a restart does: the server ends every session of this database but the one that asks.
                name = await own.scalar(text("SELECT current_database()"))
                admin = await asyncpg.connect(postgres_url)
                await admin.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name
                )
                await admin.close()
            await whole(own, *arguments, **how)

        monkeypatch.setattr(changing, "_settle", settle)
        content = "".join(line(changes={"contact": {"phone": f"09000000{n:02}"}}) for n in range(20))
        done = await apply(written(content))
        assert (done.changes, done.applied, done.refused) == (20, 20, 0)
        assert len(cut) == 2


class TestBlankLines:
    def test_line_ends_without_anything_are_no_changes_and_no_errors(self, written):
        header = CSV.encode()
        record = b"079190000011,CHANGE,2026-11-01,list,L-1,CA,2026-11-02,x,,,\n"
        of_csv = changes(written(header + b"\n" * 20_000 + record, "c.csv"), is_csv=True)
        of_json = changes(written(line().encode() + b"\n" * 20_000), is_csv=False)
        assert [len(list(found)) for found in (of_csv, of_json)] == [1, 1]
