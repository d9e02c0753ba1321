"""A line is read for what it states, or says why not; nothing in a result is a formula."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.match_jobs.lines import Answer, Record, check_header, read, result_line
from svc_population.match_jobs.reading import FileRefused, TooLong
from svc_population.match_jobs.vocabulary import FileFault, FileFormat, LineOutcome, MatchColumn

COLUMNS = (MatchColumn.REF, MatchColumn.PERSONAL_ID, MatchColumn.NAME, MatchColumn.BIRTH_DATE)


def of(content: bytes | TooLong, form: FileFormat = FileFormat.CSV, columns=COLUMNS) -> Record:
    return read(1, content, columns, form)


class TestRead:
    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (TooLong(5000), "line-too-long"),
            (b"", "columns-wrong"),
            (b"a,b", "columns-wrong"),
            (b'a,079190000011,"Nguy', "quotes-wrong"),
            (b'a,079190000011,"Nguy"x,1990', "quotes-wrong"),
            ("a,079190000011,Nguyễn An,1990-05-17".encode("utf-16"), "encoding-wrong"),
            (b"a,079190000011,Nguy\xe3n An,1990-05-17", "encoding-wrong"),
            (b"a,79190000011,An,1990-05-17", "personal-id-wrong"),
            ("a,٠٧٩١٩٠٠٠٠٠١١,An,1990-05-17".encode(), "personal-id-wrong"),
            (b"a,079190000011,,1990-05-17", "name-missing"),
            (b"a,079190000011,=1+1,1990-05-17", "name-wrong"),
            ("a,079190000011,Нгуен Ан,1990-05-17".encode(), "name-wrong"),
            ("a,079190000011,Νγουεν,1990-05-17".encode(), "name-wrong"),
            (b"a,079190000011," + b"x" * 151 + b",1990-05-17", "name-wrong"),
            (b"a,079190000011,An,", "birth-date-missing"),
            (b"a,079190000011,An,1990-02-30", "birth-date-wrong"),
            (b"a,079190000011,An,17/05/1990", "birth-date-wrong"),
            (b"x" * 65 + b",079190000011,An,1990", "ref-wrong"),
            (b"a\x07,079190000011,An,1990", "ref-wrong"),
        ],
    )
    def test_a_line_that_cannot_be_read_says_why(self, content, reason):
        record = of(content)
        assert (record.claimed, record.invalid) == (None, reason)

    def test_a_line_in_decomposed_unicode_and_quotes_is_read(self):
        record = of('"a,1",079190000011,"Nguyê\u0303n  An",1990-05'.encode())
        assert record.ref == "a,1"
        assert record.claimed is not None
        assert (record.claimed.name, record.claimed.birth_date.month) == ("Nguyễn An", 5)

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"{", "json-wrong"),
            (b"[]", "columns-wrong"),
            (b'{"name": 1, "birth_date": "1990"}', "json-wrong"),
            (b'{"name": "An", "birth_date": "1990", "more": "x"}', "columns-wrong"),
            (b'{"name": "An"}', "birth-date-missing"),
        ],
    )
    def test_an_object_that_cannot_be_read_says_why(self, content, reason):
        assert of(content, FileFormat.NDJSON).invalid == reason

    @given(st.binary(max_size=200))
    def test_any_bytes_are_a_record_or_a_reason(self, content):
        for form in FileFormat:
            record = of(content, form)
            assert (record.claimed is None) == bool(record.invalid)


class TestHeader:
    @pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
    def test_the_columns_that_were_announced_are_taken(self, start):
        check_header(start + b"ref,personal_id,name,birth_date", COLUMNS)

    @pytest.mark.parametrize(
        ("content", "fault"),
        [
            (b"", FileFault.HEADER),
            (b"personal_id,ref,name,birth_date", FileFault.HEADER),
            (b"079190000011,An,1990-05-17", FileFault.HEADER),
            ("ref,personal_id,name,birth_date".encode("utf-16"), FileFault.ENCODING),
        ],
    )
    def test_another_header_is_refused(self, content, fault):
        with pytest.raises(FileRefused) as caught:
            check_header(content, COLUMNS)
        assert caught.value.fault is fault


class TestResultLine:
    @pytest.mark.parametrize("ref", ["=1+1", "+84", "-2", "@SUM(A1)", '=HYPERLINK("http://x","y")'])
    def test_a_formula_is_text(self, ref):
        (cells,) = csv.reader([result_line(Record(7, ref, None, "x"), Answer(LineOutcome.INVALID))])
        assert cells[:3] == ["7", f"'{ref}", "INVALID"]

    @given(st.text(max_size=30).filter(str.isprintable))
    def test_any_reference_is_one_cell(self, ref):
        rows = list(csv.reader([result_line(Record(1, ref, None, "x"), Answer(LineOutcome.INVALID))]))
        assert len(rows) == 1
        assert len(rows[0]) == 6
        assert rows[0][1].removeprefix("'") == ref.removeprefix("'")
