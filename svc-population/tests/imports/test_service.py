import asyncpg
import pytest
from svc_population.imports import service
from svc_population.imports.errors import ImportRefused
from svc_population.imports.service import chunks, header_of, load_persons

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
        monkeypatch.setattr(service, "CHUNK_CHARACTERS", 1)
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

    async def test_an_unreadable_value_fails_without_quoting_it(self, database_url):
        with pytest.raises(ImportRefused) as caught:
            await load_persons(
                database_url, [HEADER + MOTHER.replace("1998-03-08", "08/03/1998x")], source="import:test"
            )
        assert "line 1" in str(caught.value)
        assert "1998" not in str(caught.value)
        connection = await asyncpg.connect(database_url)
        assert await connection.fetchval("SELECT state FROM imports") == "FAILED"
        await connection.close()


class TestHeader:
    @pytest.mark.parametrize("line", ["personal_id", "a,b", "personal_id,given_name,birth_date,sex,sex"])
    def test_a_strange_header_is_refused(self, line):
        with pytest.raises(ImportRefused):
            header_of(line)


class TestChunks:
    def test_a_quoted_line_break_stays_in_its_record(self, monkeypatch):
        monkeypatch.setattr("svc_population.imports.service.CHUNK_CHARACTERS", 1)
        assert list(chunks(['a,"x\n', 'y"\n', "b,c\n"])) == ['a,"x\ny"\n', "b,c\n"]

    def test_a_file_that_was_cut_is_refused(self):
        for cut in (["a,b\n", "c"], ["a,b\n", 'c,"d\n']):
            with pytest.raises(ImportRefused, match="cut"):
                list(chunks(cut))
