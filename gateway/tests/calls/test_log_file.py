"""Reading a growing log: nothing twice, nothing lost, whatever becomes of the file."""

from pathlib import Path

import pytest
from gateway.calls.log_file import CHUNK, Piece, Place, read


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "access.log"


def more(log: Path, *lines: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))


def got(log: Path, since: Place | None) -> Piece:
    piece = read(log, since)
    assert piece is not None
    return piece


class TestRead:
    def test_a_log_that_is_not_there_yet(self, log: Path) -> None:
        assert read(log, None) is None

    def test_each_line_comes_once(self, log: Path) -> None:
        more(log, "a", "b")
        first = got(log, None)
        assert first.lines == [b"a", b"b"]
        assert read(log, first.place) is None
        more(log, "c")
        assert got(log, first.place).lines == [b"c"]

    def test_half_a_line_waits_for_its_end(self, log: Path) -> None:
        log.write_text("a\nhal", encoding="utf-8")
        first = got(log, None)
        assert first.lines == [b"a"]
        assert read(log, first.place) is None
        log.write_text("a\nhalf\n", encoding="utf-8")
        assert got(log, first.place).lines == [b"half"]

    def test_a_log_that_was_renamed_is_read_to_its_end_first(self, log: Path) -> None:
        more(log, "a")
        first = got(log, None)
        more(log, "b")
        log.rename(log.with_name("access.log.1"))
        more(log, "c")
        second = got(log, first.place)
        assert (second.lines, second.lost) == ([b"b"], False)
        third = got(log, second.place)
        assert (third.lines, third.lost) == ([b"c"], False)

    def test_a_log_that_is_gone_is_told_and_the_new_one_read(self, log: Path) -> None:
        more(log, "a")
        first = got(log, None)
        keep = log.with_name("kept-elsewhere")
        log.rename(keep)
        more(log, "c")
        assert (got(log, first.place).lines, got(log, first.place).lost) == ([b"c"], True)

    def test_a_log_that_was_cut_is_read_anew(self, log: Path) -> None:
        more(log, "a long line", "b")
        first = got(log, None)
        log.write_text("c\n", encoding="utf-8")
        assert got(log, first.place).lines == [b"c"]

    def test_a_large_log_comes_in_pieces_of_whole_lines(self, log: Path) -> None:
        more(log, *(f"{n:0100d}" for n in range(2 * CHUNK // 100)))
        place, lines = None, []
        while (piece := read(log, place)) is not None:
            place = piece.place
            lines += piece.lines
        assert lines == [f"{n:0100d}".encode() for n in range(2 * CHUNK // 100)]
