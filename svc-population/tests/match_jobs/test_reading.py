"""A file is cut into lines whatever its blocks, goes on from any line's end, and is refused when broken."""

import gzip
import random
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.match_jobs.reading import LONGEST_LINE, FileRefused, Lines, TooLong, expanded
from svc_population.match_jobs.vocabulary import Compression, FileFault


def blocks(content: bytes, size: int) -> list[bytes]:
    return [content[at : at + size] for at in range(0, len(content), size)]


contents = st.lists(st.binary(max_size=12).filter(lambda b: b"\n" not in b and b"\r" not in b), max_size=20)


def taken(content: bytes, size: int, *, start: int = 0, most: int = 3) -> list[tuple[bytes | None, int]]:
    """Return each line, None for one that is too long, and the place where those begin that follow it."""
    found: list[tuple[bytes | None, int]] = []
    rest = Lines(blocks(content, size), start=start)
    while rest.more():
        begin = rest.place
        some = rest.take(most)
        # What is given back comes again, from the same place.
        rest.give_back(some, begin)
        for line in some:
            assert rest.take(1) == [line]
            found.append((None if isinstance(line, TooLong) else line, rest.place))
    assert rest.take(most) == []
    return found


class TestLines:
    @given(contents, st.integers(1, 9), st.booleans())
    def test_blocks_make_no_difference(self, wanted, size, ended):
        content = b"\n".join(wanted) + (b"\n" if ended and wanted else b"")
        expected = content.split(b"\n")
        if expected[-1] == b"":
            expected.pop()
        found = taken(content, size)
        assert [line for line, _ in found] == expected
        assert not found or found[-1][1] == len(content)

    @given(contents, st.integers(1, 9), st.integers(0, 20), st.integers(1, 30))
    def test_it_goes_on_after_any_line(self, wanted, size, done, most):
        content = b"".join(w + b"\n" for w in wanted)
        whole = taken(content, size)
        done = min(done, len(whole))
        start = whole[done - 1][1] if done else 0
        assert taken(content, size, start=start, most=most) == whole[done:]

    @pytest.mark.parametrize("size", [10, 1000, 1_000_000])
    def test_an_overlong_line_keeps_its_number_and_memory_stays_small(self, size):
        content = b"a\n" + b"x" * (3 * LONGEST_LINE) + b"\nb\n" + b"y" * (LONGEST_LINE + 1)
        found = taken(content, size)
        assert [line for line, _ in found] == [b"a", None, b"b", None]
        ends = [2, 3 * LONGEST_LINE + 3, 3 * LONGEST_LINE + 5, len(content)]
        assert [end for _, end in found] == ends

    def test_what_came_before_a_fault_is_given_first(self):
        def broken() -> Iterator[bytes]:
            yield b"a\nb\nc"
            raise FileRefused(FileFault.TRUNCATED)

        rest = Lines(broken())
        assert rest.take(1) == [b"a"]
        assert rest.take(9) == [b"b"]
        assert rest.more()
        with pytest.raises(FileRefused):
            rest.take(1)

    def test_few_long_lines_are_enough_at_a_time(self):
        content = (b"x" * LONGEST_LINE + b"\n") * 4000
        assert 500 < len(Lines(blocks(content, 1 << 18)).take(10_000)) < 2000


class TestExpanded:
    @given(st.binary(max_size=5000), st.integers(1, 700))
    def test_gzip_is_expanded_whatever_its_blocks(self, content, size):
        packed = gzip.compress(content[:2000]) + gzip.compress(content[2000:])
        assert b"".join(expanded(blocks(packed, size), Compression.GZIP)) == content

    def fault(self, packed: bytes) -> FileFault:
        with pytest.raises(FileRefused) as caught:
            for _ in expanded(blocks(packed, 1000), Compression.GZIP):
                pass
        return caught.value.fault

    def test_a_file_cut_in_the_middle_is_refused(self):
        packed = gzip.compress(b"".join(b"%d\n" % (n * n) for n in range(5000)))
        assert self.fault(packed[: len(packed) // 2]) is FileFault.TRUNCATED
        assert self.fault(b"") is FileFault.TRUNCATED

    def test_a_bomb_is_refused_before_it_is_expanded(self):
        engine = zlib.compressobj(wbits=31)
        packed = b"".join(engine.compress(bytes(1 << 20)) for _ in range(64)) + engine.flush()
        assert self.fault(packed) is FileFault.BOMB

    def test_very_many_empty_members_are_refused_and_many_real_ones_are_read(self):
        assert self.fault(gzip.compress(b"") * 50_000) is FileFault.BOMB
        content = random.Random(1).randbytes(1200)
        packed = gzip.compress(content, 1) * 3000
        assert sum(map(len, expanded(blocks(packed, 1 << 20), Compression.GZIP))) == 3000 * 1200

    def test_what_is_no_gzip_is_refused(self):
        assert self.fault(b"PK\x03\x04" + bytes(100)) is FileFault.UNREADABLE
