"""The short ways are no other ways: one pattern, and verdicts of the database, come out as line by line."""

import json
import random
import re
import unicodedata
from datetime import date
from types import SimpleNamespace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from ndx_contracts.names import same_name
from sqlalchemy import text
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs import verdicts
from svc_population.match_jobs.lines import PLAIN_NAME, read
from svc_population.match_jobs.plain import reader
from svc_population.match_jobs.reading import TooLong
from svc_population.match_jobs.vocabulary import FileFormat, LineOutcome, MatchColumn
from svc_population.matching.guesses import Limits
from svc_population.matching.name_folding import cleaned

COLUMNS = tuple(MatchColumn)
NAMES = ["Trần Thị Hòa", "TRẦN THỊ HÒA", "trần thị hoà", "Trần Thị Hóa", "Lê  An", "An1", "Lê Bình", "Ü", ""]
BORN = ["1990-05-17", "1990-17-05", "1990", "1990-05", "1990-02-30", "1990-01-01", "2400-01-01", ""]
CELLS = {
    MatchColumn.REF: ["", "r1", "=1+1", "a b", "BH-1/2.x", "x" * 64, "x" * 65, 'q"', " lead"],
    MatchColumn.PERSONAL_ID: ["079190000011", "079190000012", "07919000001", "", "０79190000011"],
    MatchColumn.NAME: [*NAMES, unicodedata.normalize("NFD", NAMES[0]), "x" * 200],
    MatchColumn.BIRTH_DATE: BORN,
    MatchColumn.SEX: ["", "MALE", "FEMALE", "male"],
    MatchColumn.LEGACY_ID_NUMBER: ["", "024111222", "24111222"],
    MatchColumn.PROVINCE_CODE: ["", "79", "7"],
    MatchColumn.COMMUNE_CODE: ["", "26740", "x"],
    MatchColumn.HOME_TOWN_PROVINCE_CODE: ["", "01"],
}
GOOD = {column: cells[1 if cells[0] == "" else 0] for column, cells in CELLS.items()}
stated = st.fixed_dictionaries({c: st.sampled_from([GOOD[c], *CELLS[c]]) for c in COLUMNS})


def one(content: bytes, form: FileFormat) -> tuple[str, ...] | None:
    """Read a line between two others, and return what it states where it is plain."""
    beside = (
        ",".join(GOOD.values()) if form is FileFormat.CSV else json.dumps({c.value: GOOD[c] for c in COLUMNS})
    )
    rows = [*zip(*reader(COLUMNS, form)([beside.encode(), content, beside.encode()]), strict=True)]
    assert rows[0] == rows[2]
    assert rows[0][1] == GOOD[MatchColumn.PERSONAL_ID]
    assert rows[1][1] or set(rows[1]) == {""}
    return rows[1] if rows[1][1] else None


class TestReader:
    @given(stated, st.sampled_from([FileFormat.CSV, FileFormat.NDJSON]), st.sampled_from(["", "\r"]))
    @example(GOOD, FileFormat.CSV, "\r")
    @example(GOOD, FileFormat.NDJSON, "")
    def test_what_a_pattern_takes_reads_as_every_line_does(self, values, form, end):
        if form is FileFormat.CSV:
            content = ",".join(values.values())
        else:
            content = json.dumps({c.value: v for c, v in values.items()}, ensure_ascii=False)
        line = (content + end).encode()
        plain = one(line, form)
        record = read(1, line, COLUMNS, form)
        if values == GOOD:
            assert plain is not None
        if plain is None:
            return
        claimed = record.claimed
        assert claimed is not None
        assert plain == (
            record.ref,
            claimed.personal_id,
            claimed.name,
            str(claimed.birth_date.span[0]),
            claimed.sex or "",
            claimed.legacy_id_number or "",
        )
        assert claimed.birth_date.day is not None

    def test_a_plain_name_is_clean_as_it_stands(self):
        taken = [c for c in map(chr, range(0x20, 0x3000)) if re.fullmatch(PLAIN_NAME, c)]
        assert {c: cleaned(c) for c in taken} == {c: c for c in taken}
        assert len(re.findall(PLAIN_NAME, "Đặng Ỷ Ưng")) == 1
        assert re.fullmatch(PLAIN_NAME, "x" * 150)
        assert not re.fullmatch(PLAIN_NAME, "x" * 151)

    @pytest.mark.parametrize("sex", [False, 0, [], {}])
    def test_a_member_that_is_no_text_is_not_taken_for_nothing(self, sex):
        stated = {"personal_id": "079190000011", "name": "An", "birth_date": "1990-05-17"}
        line = json.dumps({**stated, "sex": sex}).encode()
        assert one(line, FileFormat.NDJSON) is None
        assert read(1, line, COLUMNS, FileFormat.NDJSON).invalid == "json-wrong"

    @pytest.mark.parametrize(
        "content", [b"", b"\xff", b"{", b"[1]", b'{"name": 1}', b'{"religion": "x"}', b'{"name": "An,1990"}']
    )
    def test_anything_else_is_left_to_the_long_way(self, content):
        for form in (FileFormat.CSV, FileFormat.NDJSON):
            assert one(content, form) is None
            assert reader(COLUMNS, form)([TooLong(5000)]).number == [""]

    def test_a_member_with_a_line_end_is_one_line(self):
        stated = {"personal_id": "079190000011", "name": "An\nAn", "birth_date": "1990-05-17"}
        assert one(json.dumps(stated).encode(), FileFormat.NDJSON) is None


KINDS = (
    ("Trần Thị Hoà", date(1990, 5, 17), "FEMALE", True),
    ("Lê An", date(1988, 5, 17), "FEMALE", False),
    ("Nguyễn Văn Bình", date(1970, 1, 1), "FEMALE", True),
)
PEOPLE = {
    f"0791900000{n}": (*KINDS[n % 3][:3], f"0241112{n}" if KINDS[n % 3][3] else None) for n in range(11, 21)
}
FORMER = {"079090000001": "079190000011"}


class TestSets:
    """A file of generated lines, and each of its lines judged by itself."""

    def line(self, rng: random.Random, number: str) -> dict[str, str]:
        name, born, sex, legacy = PEOPLE[FORMER.get(number, number)]
        wrong = rng.random() < 0.15
        names = [
            name,
            name.upper(),
            name.lower(),
            unicodedata.normalize("NFD", name),
            name.replace("oà", "òa"),
        ]
        dates = [str(born)] * 6 + [str(born.year)]
        return {
            "ref": rng.choice(["", "a1", "b-2", "=c"]),
            "personal_id": number,
            "name": "Trần Thị Hồng" if wrong and rng.random() < 0.5 else rng.choice(names),
            "birth_date": "1990-05-18" if wrong and rng.random() < 0.5 else rng.choice(dates),
            "sex": rng.choice(["", sex, "MALE" if wrong else sex]),
            "legacy_id_number": rng.choice(["", legacy or "024111999", "024111444" if wrong else ""]),
        }

    def judged(self, lines: list[dict[str, str]], columns: tuple[MatchColumn, ...]) -> list[str]:
        """Return what each line gets when one after the other is compared with the whole person."""
        guesses, found = verdicts.Guesses(Limits(3, 10), {}), []
        for n, values in enumerate(lines, 1):
            record = read(n, ",".join(values.values()).encode(), columns, FileFormat.CSV)
            claimed = record.claimed
            assert claimed is not None
            number = FORMER.get(values["personal_id"], values["personal_id"])
            row = None
            if number in PEOPLE:
                name, born, sex, legacy = PEOPLE[number]
                same = claimed.birth_date.day is not None and claimed.birth_date.span[0] == born
                row = SimpleNamespace(
                    personal_id=number,
                    name=None if same_name(name, claimed.name) else name,
                    birth_date=None if same else born,
                    sex=sex,
                    legacy_id_number=legacy,
                )
            answer = verdicts.by_number(claimed, row, guesses)
            found.append(
                f"{answer.outcome.value},{answer.personal_id},{';'.join(answer.fields)}"
                f",{';'.join(answer.reasons)}"
            )
        return found

    @pytest.mark.parametrize("seed", [1, 2])
    async def test_sets_and_single_lines_come_out_alike(
        self, matched, add_person, session, disclosed, monkeypatch, seed
    ):
        for number, (name, born, sex, legacy) in PEOPLE.items():
            surname, *middle, given_name = name.split()
            await add_person(
                number,
                surname=surname,
                middle_name=" ".join(middle) or None,
                given_name=given_name,
                birth_date=born,
                sex=sex,
                legacy_id_number=legacy,
            )
        await session.execute(
            text(
                "INSERT INTO former_personal_ids VALUES"
                " ('079090000001', uuidv7(), '079190000011', 'WRONG_ENTRY', 'QD-1', 'test')"
            )
        )
        await session.commit()
        monkeypatch.setattr(feeds, "SLICE", 40)
        rng = random.Random(seed)
        numbers = [*PEOPLE, *FORMER]
        lines = [self.line(rng, rng.choice(numbers)) for _ in range(110)]
        lines += [{**lines[0], "personal_id": "079190000999"}]
        columns = tuple(MatchColumn(c) for c in lines[0])
        content = "".join(
            ",".join(values) + "\n" for values in [[*lines[0]], *([*x.values()] for x in lines)]
        )
        found = await matched(content.encode(), columns=[c.value for c in columns])
        told = [line.rsplit(",", 4) for line in found[1:]]
        expected = self.judged(lines, columns)
        assert [",".join(cells[1:]) for cells in told] == expected
        assert [cells[0].partition(",")[0] for cells in told] == [str(n) for n in range(1, len(lines) + 1)]
        outcomes = {LineOutcome(e.partition(",")[0]) for e in expected}
        assert outcomes == {
            LineOutcome.MATCHED,
            LineOutcome.MISMATCH,
            LineOutcome.INVALID,
            LineOutcome.NOT_FOUND,
        }
        records = await disclosed()
        # What is INVALID here are lines about people about whom too much was guessed.
        kind = {"MISMATCH": "NOT_MATCHED", "INVALID": "NOT_MATCHED"}
        told = [e.partition(",")[0] for e in expected]
        assert [r["outcome"] for r in records] == [kind.get(outcome, outcome) for outcome in told]
