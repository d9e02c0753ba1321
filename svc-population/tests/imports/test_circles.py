"""Nobody is loaded who would be their own ancestor, whatever chunk or load the others came with."""

import pytest
from sqlalchemy import text
from svc_population.imports import records
from svc_population.imports.service import load_persons

HEADER = "personal_id,given_name,birth_date,sex,mother_personal_id,father_personal_id,legacy_id_number\n"
# Women of 1950, 1970, 1990 and two of 1990 again; the year stands in the number.
OLD, MIDDLE, YOUNG = "079150000001", "079170000002", "079190000003"
TWIN, OTHER_TWIN = "079190000004", "079190000005"


def line(number: str, mother: str = "", father: str = "", legacy: str = "") -> str:
    return f"{number},Hoa,19{number[4:6]}-03-08,FEMALE,{mother},{father},{legacy}\n"


@pytest.fixture
def load(database_url):
    async def run(*lines: str):
        rejected: list[tuple[int, str]] = []
        loaded = await load_persons(
            database_url, [HEADER, *lines], source="t", reject=lambda n, column: rejected.append((n, column))
        )
        return loaded, sorted(rejected)

    return run


@pytest.fixture
def parents(runtime):
    async def found():
        async with runtime.sessions() as own:
            rows = await own.execute(
                text("SELECT personal_id, related_personal_id FROM relationships WHERE relation <> 'SPOUSE'")
            )
            return {tuple(row) for row in rows}

    return found


@pytest.mark.parametrize("characters", [1, 8_000_000], ids=["a chunk each", "one chunk"])
class TestWithinAFile:
    async def test_the_line_whose_mother_is_its_granddaughter_is_named(
        self, load, parents, monkeypatch, characters
    ):
        monkeypatch.setattr(records, "CHUNK_CHARACTERS", characters)
        loaded, rejected = await load(line(OLD, mother=YOUNG), line(MIDDLE, OLD), line(YOUNG, MIDDLE))
        assert rejected == [(2, "mother_personal_id")]
        assert (loaded.lines, loaded.inserted, loaded.existing, loaded.rejected) == (3, 2, 0, 1)
        assert await parents() == {(MIDDLE, OLD), (YOUNG, MIDDLE)}

    async def test_two_who_are_each_other_s_parents_are_both_named(
        self, load, parents, monkeypatch, characters
    ):
        monkeypatch.setattr(records, "CHUNK_CHARACTERS", characters)
        lines = [line(YOUNG, MIDDLE), line(TWIN, OTHER_TWIN), "\n", line(OTHER_TWIN, father=TWIN, mother=OLD)]
        loaded, rejected = await load(*lines)
        assert rejected == [(3, "mother_personal_id"), (5, "father_personal_id")]
        assert (loaded.lines, loaded.inserted, loaded.rejected) == (3, 1, 2)
        assert await parents() == {(YOUNG, MIDDLE)}

    async def test_a_parent_whose_number_says_a_later_year_is_loaded_where_it_closes_nothing(
        self, load, parents, monkeypatch, characters
    ):
        monkeypatch.setattr(records, "CHUNK_CHARACTERS", characters)
        loaded, rejected = await load(line(OLD, mother=YOUNG), line(YOUNG, TWIN), line(TWIN))
        assert (loaded.lines, loaded.inserted, rejected) == (3, 3, [])
        assert await parents() == {(OLD, YOUNG), (YOUNG, TWIN)}


class TestWithWhoIsThere:
    @pytest.mark.parametrize("first", [OLD, MIDDLE, YOUNG])
    async def test_whichever_of_them_came_first(self, load, parents, first):
        mothers = {OLD: YOUNG, MIDDLE: OLD, YOUNG: MIDDLE}
        await load(line(first, mothers[first]))
        others = [number for number in mothers if number != first]
        loaded, rejected = await load(*(line(number, mothers[number]) for number in others))
        assert (loaded.inserted, loaded.rejected, len(rejected)) == (1, 1, 1)
        assert rejected[0][1] == "mother_personal_id"
        # A second load of the same file says the same, and changes nothing.
        assert (await load(*(line(n, mothers[n]) for n in others)))[1] == rejected
        assert len(await parents()) == 2

    async def test_a_former_number_of_a_descendant_hides_nothing(self, load, runtime, parents):
        await load(line(MIDDLE, OLD))
        async with runtime.sessions() as own, own.begin():
            await own.execute(
                text(
                    "INSERT INTO former_personal_ids VALUES ('079030000009', uuidv7(), :now,"
                    " 'SEX_REDETERMINED', 'QD', 'test')"
                ),
                {"now": MIDDLE},
            )
        _, rejected = await load(line(OLD, mother="079030000009"))
        assert rejected == [(2, "mother_personal_id")]
        assert await parents() == {(MIDDLE, OLD)}

    async def test_somebody_else_under_a_number_that_is_there_is_still_told(self, load):
        await load(line(TWIN, mother=OLD))
        somebody = line(TWIN, mother=OTHER_TWIN).replace("Hoa", "Lan")
        loaded, rejected = await load(line(YOUNG), somebody)
        assert rejected == [(3, "personal_id")]
        assert (loaded.lines, loaded.inserted, loaded.existing, loaded.rejected) == (2, 1, 0, 1)


class TestLinesOfSeveralLines:
    async def test_a_line_that_is_no_record_and_a_quoted_break_move_no_number(self, load):
        lines = [
            "079190000001,Hoa\n",
            line(YOUNG, legacy='"12345678\n9"'),
            line(TWIN, OTHER_TWIN),
            line(OTHER_TWIN, TWIN),
        ]
        _, rejected = await load("".join(lines))
        assert rejected == [
            (2, ""),
            (4, "legacy_id_number"),
            (5, "mother_personal_id"),
            (6, "mother_personal_id"),
        ]
