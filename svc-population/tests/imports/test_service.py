import asyncio
import csv
import os
import signal
import sys
import unicodedata
from functools import partial

import asyncpg
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from pydantic import ValidationError
from sqlalchemy import text
from svc_population.changes.schemas import ContactIn
from svc_population.imports import main, records
from svc_population.imports.errors import ImportRefused
from svc_population.imports.layout import COLUMNS
from svc_population.imports.records import chunks, header_of
from svc_population.imports.service import load_persons
from svc_population.persons.sealing import NO_KEYS, Keyring

SEALING = Keyring("2026a", {"2026a": AESGCM(b"a key for tests only, 32 bytes..")})
HEADER = (
    "personal_id,given_name,birth_date,sex,birth_place,"
    "life_status,death_or_missing_date,mother_personal_id,father_name\n"
)
MOTHER = "079198000001,Hoa,1998-03-08,FEMALE,,,,,\n"
CHILD = (
    '079324000002,An,2024-05-06,FEMALE,"Phường Bến Nghé, Thành phố Hồ Chí Minh",'
    ",,079198000001,Nguyễn Văn Bình\n"
)
DEAD = "079050000003,Ba,1950-01-01,MALE,,DECEASED,2024-01-01,,\n"
WRONG_SEX = "079198000004,Tư,1998-01-01,MALE,,,,,\n"


class TestLoadPersons:
    async def test_persons_and_their_relations_are_there_afterwards(self, database_url):
        loaded = await load_persons(database_url, [HEADER + MOTHER, CHILD + DEAD], source="import:test")
        assert (loaded.lines, loaded.inserted, loaded.existing, loaded.rejected) == (3, 3, 0, 0)
        connection = await asyncpg.connect(database_url)
        child = await connection.fetchrow("SELECT * FROM persons WHERE personal_id = '079324000002'")
        assert child is not None
        assert (child["nationality"], child["life_status"], child["source"]) == ("VN", "ALIVE", "import:test")
        assert child["birth_place"] == "Phường Bến Nghé, Thành phố Hồ Chí Minh"
        found = await connection.fetch(
            "SELECT relation, related_personal_id, related_name FROM relationships"
        )
        assert {tuple(r) for r in found} == {
            ("MOTHER", "079198000001", None),
            ("FATHER", None, "Nguyễn Văn Bình"),
        }
        assert await connection.fetchval("SELECT state FROM imports") == "FINISHED"
        await connection.close()

    async def test_a_second_load_skips_who_is_there(self, database_url):
        await load_persons(database_url, [HEADER + MOTHER + CHILD], source="import:test")
        again = await load_persons(database_url, [HEADER + MOTHER + CHILD + DEAD], source="import:test")
        assert (again.inserted, again.existing) == (1, 2)

    async def test_chunks_side_by_side_that_hold_the_same_people_load_each_once(
        self, database_url, monkeypatch
    ):
        monkeypatch.setattr(records, "CHUNK_CHARACTERS", 1)
        people = [f"0791980{n:05},Hoa,1998-03-08,FEMALE,,,,,\n" for n in range(1_500)]
        backwards = "".join(reversed(people))
        loaded = await load_persons(
            database_url,
            [HEADER, "".join(people), backwards, "".join(people), backwards],
            source="import:test",
        )
        assert (loaded.lines, loaded.inserted, loaded.existing) == (6_000, 1_500, 4_500)

    async def test_impossible_lines_are_rejected_and_wrong_structure_is_counted(self, database_url):
        bad = (
            "07919800000,Short,1998-01-01,MALE,,,,,\n" + "079198000009,Dead,1998-01-01,FEMALE,,DECEASED,,,\n"
        )
        loaded = await load_persons(database_url, [HEADER + MOTHER + WRONG_SEX + bad], source="import:test")
        assert (loaded.inserted, loaded.rejected, loaded.wrong_structure) == (2, 2, 1)

    async def test_each_line_that_is_not_loaded_is_named_with_its_column_and_the_others_are_there(
        self, database_url, monkeypatch
    ):
        monkeypatch.setattr(records, "CHUNK_CHARACTERS", 150)
        rejected: list[tuple[int, str]] = []
        texts = [
            HEADER,
            MOTHER,
            "079198000005,Hoa,08/03/1998,FEMALE,,,,,\n",
            "079198000006,Hoa,1998-02-30,FEMALE,,,,,\n",
            '079198000007,Hoa,,FEMALE,"one\nand two",,,,\n',
            "079198000008,,1998-03-08,FEMALE,,,,,\n",
            CHILD,
            "07919800000,Hoa,1998-03-08,FEMALE,,,,,\n",
            "079198000010,Hoa,1998-03-08,F,,,,,\n",
            "079198000011,Hoa,1998-03-08,FEMALE,,GONE,2020-01-01,,\n",
            "079198000012,Hoa,1998-03-08,FEMALE,,DECEASED,,,\n",
            "079198000013,Hoa,1998-03-08,FEMALE,,DECEASED,infinity,,\n",
            "079198000014,Hoa,1998-03-08,FEMALE,,,,079198000014,\n",
            DEAD,
        ]
        loaded = await load_persons(
            database_url,
            texts,
            source="import:test",
            reject=lambda line, column: rejected.append((line, column)),
        )
        assert (loaded.lines, loaded.inserted, loaded.rejected) == (13, 3, 10)
        # The header is line 1; the record of two lines has the number of its second.
        assert sorted(rejected) == [
            (3, "birth_date"),
            (4, "birth_date"),
            (6, "birth_date"),
            (7, "given_name"),
            (9, "personal_id"),
            (10, "sex"),
            (11, "life_status"),
            (12, "death_or_missing_date"),
            (13, "death_or_missing_date"),
            (14, "mother_personal_id"),
        ]


class TestRecordsThatAreNone:
    async def test_only_they_are_not_loaded_and_each_is_named(self, database_url, monkeypatch):
        monkeypatch.setattr(records, "CHUNK_CHARACTERS", 200)
        rejected: list[tuple[int, str]] = []
        texts = [
            HEADER,
            MOTHER,
            "\n",
            MOTHER.replace(",FEMALE", ",FEMALE,x,x,x"),
            "079198000005,Hoa\n",
            "079198000006,Ho\x00a,1998-03-08,FEMALE,,,,,\n",
            '079198000007,"Hoa",1998-03-08,FEMALE,"one\nand two",,,,\n',
            "079198000008,Hoa,1998-02-30,FEMALE,,,,,\n",
            CHILD,
            "\n",
        ]
        loaded = await load_persons(
            database_url, texts, source="t", reject=lambda line, column: rejected.append((line, column))
        )
        assert (loaded.lines, loaded.inserted, loaded.rejected) == (7, 3, 4)
        assert sorted(rejected) == [(4, ""), (5, ""), (6, "given_name"), (9, "birth_date")]

    async def test_a_quote_that_is_never_closed_ends_the_load_before_memory_does(self, database_url):
        def lines():
            yield HEADER
            yield MOTHER
            yield '079198000005,"Hoa,1998-03-08,FEMALE,,,,,\n'
            for number in range(100_000):
                yield f"0791981{number:05},Hoa,1998-03-08,FEMALE,,,,,\n"
            pytest.fail("the whole file was read")

        with pytest.raises(ImportRefused, match="from line 3 on"):
            await load_persons(database_url, lines(), source="t")


IMPOSSIBLE = (
    ("birth_date", "0000-01-01"),
    ("birth_date", "1900-02-29"),
    ("birth_date", "1849-12-31"),
    ("birth_date", "2999-01-01"),
    ("death_or_missing_date", "1998-03-07"),
    ("death_or_missing_date", "2999-01-01"),
    ("temporary_until", "2020-01-01"),
    ("absence_until", "9999-12-31"),
    ("given_name", '"  "'),
    ("given_name", '""'),
    ("given_name", '"Ho\ta"'),
    ("surname", "x" * 501),
    ("permanent_commune_code", "2674"),
    ("permanent_province_code", "079"),
    ("marital_status", "Độc thân"),
    ("relation_to_head", "BOSS"),
    ("legacy_id_number", "12345678"),
    ("ethnicity_code", "99"),
    ("nationality", "VNM"),
    ("mother_personal_id", "79170000001"),
    ("mother_personal_id", "079198000001"),
    ("religion", "x" * 101),
    ("religion", '"Phật\tgiáo"'),
    ("blood_group", "C"),
    ("blood_group", "a+"),
    ("blood_group", "enc1:2026a:AAAA"),
    ("phone", "1234567"),
    ("phone", "1234567890123456"),
    ("phone", "++84901234567"),
    ("phone", "8490+1234567"),
    ("phone", "0901 234 567"),
    ("email", "a.example.vn"),
    ("email", "@example.vn"),
    ("email", "a@b@example.vn"),
    ("email", "a@examplevn"),
    ("email", "a@.vn"),
    ("email", "a@example.vn."),
    ("email", "a b@example.vn"),
    ("email", "a\u00a0b@example.vn"),
    ("email", "a@exam\u2003ple.vn"),
    ("email", "a@" + "x" * 250 + ".vn"),
)
POSSIBLE = (
    ("religion", "x" * 100),
    *(("blood_group", f"{group}{rhesus}") for group in ("A", "B", "AB", "O") for rhesus in ("", "+", "-")),
    ("phone", "12345678"),
    ("phone", "+849012345678901"),
    ("email", "a@b.c"),
    ("email", "ông.ba+1@thư.example.vn"),
    ("email", "a@b..c"),
    ("email", "a@" + "x" * 249 + ".vn"),
)


def with_cell(column, value, personal_id="079198000001"):
    values = {
        **dict.fromkeys(COLUMNS, ""),
        "personal_id": personal_id,
        "given_name": "Hoa",
        "birth_date": "1998-03-08",
        "sex": "FEMALE",
        "temporary_since": "2020-02-01" if column == "temporary_until" else "",
        "life_status": "DECEASED" if column.startswith("death") else "",
        column: value,
    }
    return ",".join(values.values()) + "\n"


class TestValues:
    @pytest.mark.parametrize("keys", [NO_KEYS, SEALING], ids=["plain", "sealed"])
    async def test_what_cannot_be_is_not_loaded_and_its_column_is_told(self, database_url, keys):
        rejected: list[tuple[int, str]] = []
        texts = [",".join(COLUMNS) + "\n", *(with_cell(column, value) for column, value in IMPOSSIBLE)]
        loaded = await load_persons(
            database_url,
            texts,
            source="t",
            keys=keys,
            reject=lambda line, name: rejected.append((line, name)),
        )
        assert rejected == [(line, column) for line, (column, _) in enumerate(IMPOSSIBLE, 2)]
        assert loaded.inserted == 0

    @pytest.mark.parametrize("keys", [NO_KEYS, SEALING], ids=["plain", "sealed"])
    async def test_what_a_single_change_takes_is_loaded_too(self, database_url, keys):
        rows = [with_cell(*cell, f"0791981{n:05}") for n, cell in enumerate(POSSIBLE)]
        loaded = await load_persons(database_url, [",".join(COLUMNS) + "\n", *rows], source="t", keys=keys)
        assert (loaded.inserted, loaded.rejected) == (len(POSSIBLE), 0)

    @pytest.mark.parametrize(
        ("column", "value"), [cell for cell in (*IMPOSSIBLE, *POSSIBLE) if cell[0] in ("phone", "email")]
    )
    def test_a_single_change_draws_the_line_at_the_same_place(self, column, value):
        fits = (column, value) in POSSIBLE
        try:
            ContactIn.model_validate({column: value})
        except ValidationError:
            assert not fits
        else:
            assert fits

    async def test_names_are_kept_composed_and_without_blanks_around(self, database_url, client, insurer):
        name = unicodedata.normalize("NFD", "Nguyễn")
        row = f'079198000001,{name}, Hoà ,1998-03-08,FEMALE,"",\n'
        header = '\ufeffpersonal_id,surname,"given_name",birth_date,sex,other_name,email\r\n'
        await load_persons(database_url, [header + row], source="t")
        read = await client.get(
            "/population/v1/persons/079198000001?fields=birth_name,other_name", headers=insurer
        )
        assert read.json() == {
            "birth_name": {"surname": "Nguyễn", "middle_name": None, "given_name": "Hoà"},
            "other_name": None,
        }


class TestOneNumberTwice:
    async def test_somebody_else_under_a_loaded_number_is_told_and_gives_nobody_relatives(
        self, database_url, runtime
    ):
        other = "079198000001,Lan,1998-03-08,FEMALE,,,,079170000009,Nguyễn Văn Ba\n"
        rejected: list[tuple[int, str]] = []
        for texts in ([HEADER + MOTHER + other + MOTHER], [HEADER + other]):
            loaded = await load_persons(
                database_url, texts, source="t", reject=lambda line, name: rejected.append((line, name))
            )
        assert rejected == [(3, "personal_id"), (2, "personal_id")]
        assert (loaded.lines, loaded.existing, loaded.rejected) == (1, 0, 1)
        async with runtime.sessions() as own:
            assert await own.scalar(text("SELECT given_name FROM persons")) == "Hoa"
            assert await own.scalar(text("SELECT count(*) FROM relationships")) == 0

    async def test_a_relative_s_former_number_leads_to_the_one_of_today(self, database_url, runtime):
        async with runtime.sessions() as own, own.begin():
            await own.execute(
                text(
                    "INSERT INTO former_personal_ids VALUES ('079098000009', uuidv7(), '079198000001',"
                    " 'SEX_REDETERMINED', 'QD', 'test'), ('079024000009', uuidv7(), '079324000002',"
                    " 'SEX_REDETERMINED', 'QD', 'test')"
                )
            )
        child = CHILD.replace("079198000001", "079098000009")
        own_mother = MOTHER.replace("FEMALE,,,,,", "FEMALE,,,,079324000009,").replace("079198", "079324")
        await load_persons(database_url, [HEADER + child + own_mother], source="t")
        async with runtime.sessions() as own:
            found = await own.execute(
                text("SELECT personal_id, related_personal_id FROM relationships WHERE relation = 'MOTHER'")
            )
            assert ("079324000002", "079198000001") in {tuple(row) for row in found}


OTHER_SESSIONS = text(
    "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"
    " AND application_name = '' AND pid <> pg_backend_pid()"
)


class TestCommand:
    async def test_killed_in_the_middle_it_goes_on_and_everybody_is_there_once(
        self, database_url, tmp_path, runtime
    ):
        people, bad = 12_000, "079198099999,Hoa,1998-13-08,FEMALE,,,,,\n"
        file = tmp_path / "people.csv"
        rows = [f"0791980{n:05},Hoa,1998-03-08,FEMALE,,,,079170{n:06},\n" for n in range(people)]
        file.write_text(HEADER + "".join(rows[:-1]) + bad + rows[-1], "utf-8")
        pieces = "from svc_population.imports import main, records; records.CHUNK_CHARACTERS = 50_000"
        code = f"import sys; {pieces}; sys.exit(main.main(sys.argv[1:]))"
        environment = {**os.environ, "POPULATION_DATABASE_URL": database_url}
        start = partial(
            asyncio.create_subprocess_exec,
            *(sys.executable, "-c", code, str(file)),
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )

        async def listed() -> list[dict[str, str]]:
            lister = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", main.__name__, "--runs"),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
            )
            out, _ = await lister.communicate()
            assert lister.returncode == 0
            return list(csv.DictReader(out.decode().splitlines()))

        async def there() -> int:
            async with runtime.sessions() as own:
                return int(await own.scalar(text("SELECT count(*) FROM persons")) or 0)

        # Somebody else gives out a number in the middle: until then the command cannot be through.
        async with runtime.sessions() as other:
            # For as long as it takes on a slow machine: a service gives up after a minute.
            await other.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            await other.execute(
                text(
                    "INSERT INTO persons (personal_id, given_name, birth_date, sex, source)"
                    " VALUES (:number, 'Hoa', '1998-03-08', 'FEMALE', 'test')"
                ),
                {"number": f"0791980{people - 1000:05}"},
            )
            process = await start()
            while await there() < people // 3 and process.returncode is None:  # noqa: ASYNC110 - it is another's
                await asyncio.sleep(0.02)
            assert [run["state"] for run in await listed()] == ["RUNNING"]
            process.send_signal(signal.SIGKILL)
            assert await process.wait() == -signal.SIGKILL
        async with runtime.sessions() as own:
            # Its sessions end a moment after it.
            while await own.scalar(OTHER_SESSIONS):
                await own.rollback()
                await asyncio.sleep(0.02)
        reached = await there()
        assert 0 < reached < people
        (killed,) = await listed()
        assert (killed["state"], killed["finished_at"]) == ("INTERRUPTED", "")
        assert int(killed["inserted"]) == reached
        assert int(killed["lines"]) == reached + int(killed["rejected"])
        assert killed["progressed_at"] > killed["started_at"]
        again = await start()
        told, _ = await again.communicate()
        assert again.returncode == 0
        assert await there() == people
        done, before = await listed()
        assert (done["state"], done["takes_up"], before["state"]) == ("FINISHED", killed["id"], "INTERRUPTED")
        assert f"1 lines were not loaded, see {file}.rejected.csv".encode() in told
        assert (tmp_path / "people.csv.rejected.csv").read_text() == f"line,column\n{people + 1},birth_date\n"
        async with runtime.sessions() as own:
            statement = "SELECT count(*) FROM relationships WHERE relation = 'MOTHER'"
            assert await own.scalar(text(statement)) == people


class TestHeader:
    def test_a_file_without_one_is_refused_without_quoting_anybody(self):
        with pytest.raises(ImportRefused) as caught:
            header_of(MOTHER)
        assert "1998" not in str(caught.value)
        assert "Hoa" not in str(caught.value)

    @pytest.mark.parametrize("line", ["personal_id", "a,b", "personal_id,given_name,birth_date,sex,sex"])
    def test_a_strange_header_is_refused(self, line):
        with pytest.raises(ImportRefused):
            header_of(line)


class TestChunks:
    def test_a_quoted_line_break_stays_in_its_record(self, monkeypatch):
        monkeypatch.setattr("svc_population.imports.records.CHUNK_CHARACTERS", 1)
        assert list(chunks(['a,"x\n', 'y"\n', "b,c\n"])) == ['a,"x\ny"\n', "b,c\n"]

    def test_a_file_that_was_cut_is_refused(self):
        for cut in (["a,b\n", "c"], ["a,b\n", 'c,"d\n']):
            with pytest.raises(ImportRefused, match="cut"):
                list(chunks(cut))
