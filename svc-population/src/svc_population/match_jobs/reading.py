"""An uploaded file as lines, with constant memory: decompressed, cut at line ends, or refused as a whole."""

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from svc_population.match_jobs.vocabulary import Compression, FileFault

LONGEST_LINE = 4096
MOST_EXPANDED = 16 * 1024**3
MOST_RATIO = 200
"""A text file of records shrinks five- to twentyfold; what expands more is made to fill disks."""
_AT_ONCE = 1 << 20
_BITE = 1 << 14
"""Compressed bytes that are taken at a time: what follows a member's end is copied for the next one."""
_SMALLEST_MEMBERS = 1000
_MEMBER = 1024
"""Members beyond the first thousand have so many compressed bytes on average; those of empty ones have 20."""
SMALL = 1 << 20


class FileRefused(Exception):
    """The file as a whole cannot be matched."""

    def __init__(self, fault: FileFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class Line(NamedTuple):
    """One line without its end; None is one that is too long. `end` is the place after it in the file."""

    content: bytes | None
    end: int


def expanded(blocks: Iterable[bytes], compression: Compression) -> Iterator[bytes]:
    """Yield the file's content.

    Raises:
        FileRefused: a gzip file is cut off, broken, or expands beyond reason.
    """
    if compression is Compression.NONE:
        yield from blocks
        return
    taken = given = members = 0
    engine = zlib.decompressobj(wbits=31)
    try:
        for bite in _bites(blocks):
            taken += len(bite)
            waiting = bite
            while waiting:
                if engine.eof:  # a gzip file may consist of several members
                    engine = zlib.decompressobj(wbits=31)
                    members += 1
                    if members > _SMALLEST_MEMBERS + taken // _MEMBER:
                        raise FileRefused(FileFault.BOMB)
                content = engine.decompress(waiting, _AT_ONCE)
                given += len(content)
                if given > max(SMALL, taken * MOST_RATIO) or given > MOST_EXPANDED:
                    raise FileRefused(FileFault.BOMB)
                waiting = engine.unconsumed_tail or engine.unused_data
                yield content
    except zlib.error:
        raise FileRefused(FileFault.UNREADABLE) from None
    if not engine.eof:
        raise FileRefused(FileFault.TRUNCATED)


def _bites(blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        for start in range(0, len(block), _BITE):
            yield block[start : start + _BITE]


def lines(content: Iterable[bytes], *, start: int = 0) -> Iterator[Line]:
    """Cut content into lines from a place that is the end of one; an overlong line keeps its number."""
    place, left, overlong = 0, b"", False
    for block in content:
        if place + len(block) <= start:
            place += len(block)
            continue
        piece = block[max(0, start - place) :]
        place += len(block)
        *whole, left = (left + piece).split(b"\n")
        end = place - len(left) - sum(len(w) + 1 for w in whole)
        for one in whole:
            end += len(one) + 1
            too_long = overlong or len(one) > LONGEST_LINE
            overlong = False
            yield Line(None if too_long else one.removesuffix(b"\r"), end)
        if len(left) > LONGEST_LINE:
            overlong, left = True, b""
    if left or overlong:
        yield Line(None if overlong or len(left) > LONGEST_LINE else left.removesuffix(b"\r"), place)
