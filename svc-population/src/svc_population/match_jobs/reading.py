"""An uploaded file as lines, with constant memory: decompressed, cut at line ends, or refused as a whole."""

import zlib
from collections.abc import Iterable, Iterator, Sequence

from svc_population.match_jobs.vocabulary import Compression, FileFault

LONGEST_LINE = 4096
_TAKEN = 4 << 20
"""Bytes of lines that are enough at a time, however few they are."""
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


class TooLong:
    """In the place of a line that is too long: how long it was."""

    def __init__(self, size: int) -> None:
        self._size = size

    def __len__(self) -> int:
        return self._size


Content = bytes | TooLong


class Lines:
    """A file's lines from a place that is the end of one, taken many at a time."""

    def __init__(self, content: Iterable[bytes], *, start: int = 0) -> None:
        self._content = iter(content)
        self._skip = start
        self._waiting: list[Content] = []
        """Whole lines that were not taken yet."""
        self._left = b""
        """What follows the last line end that was read."""
        self._dropped = 0
        """Bytes before it that belong to the same line, which is too long already."""
        self._read = start
        self._ended = False
        self._fault: Exception | None = None
        self.place = start
        """Where the lines that were not taken yet begin."""

    def take(self, most: int) -> list[Content]:
        """Return the next lines, fewer when they are long or the file ends.

        Raises:
            FileRefused: the file cannot be read on; what came before was given.
        """
        self._fill(most)
        if not self._waiting and self._fault is not None:
            raise self._fault
        taken, self._waiting = self._waiting[:most], self._waiting[most:]
        self.place = end_of(taken, self.place, most=self._read)
        return taken

    def give_back(self, lines: list[Content], place: int) -> None:
        """Put lines back that were taken last; they begin at a place."""
        self._waiting[:0] = lines
        self.place = place

    def more(self) -> bool:
        """Tell whether there is anything left, were it a fault."""
        self._fill(1)
        return bool(self._waiting) or self._fault is not None

    def _fill(self, most: int) -> None:
        size = sum(map(len, self._waiting))
        while len(self._waiting) < most and size < _TAKEN and not self._ended:
            try:
                block = next(self._content, None)
            except Exception as error:  # noqa: BLE001 - raised when the lines before it are taken
                self._fault, block = error, b""
                self._ended = True
            if block is None:
                self._ended = True
                if self._left or self._dropped:
                    self._waiting.append(self._whole(self._left))
            else:
                found = self._cut(block)
                self._waiting += found
                size += sum(map(len, found))

    def _cut(self, block: bytes) -> list[Content]:
        if self._skip >= len(block):
            self._skip -= len(block)
            return []
        piece, self._skip = block[self._skip :], 0
        self._read += len(piece)
        *cut, left = (self._left + piece).split(b"\n")
        found: list[Content] = [*cut]
        if cut and (self._dropped or max(map(len, cut)) > LONGEST_LINE):
            found = [self._whole(one) for one in cut]
        self._left = left
        if len(left) > LONGEST_LINE:
            self._dropped, self._left = self._dropped + len(left), b""
        return found

    def _whole(self, end: bytes) -> Content:
        size, self._dropped = self._dropped + len(end), 0
        return TooLong(size) if size > LONGEST_LINE else end


def end_of(lines: Sequence[Content], start: int, *, most: int) -> int:
    """Return where lines end that begin at a place; the last one of a file may have no end."""
    return min(start + sum(map(len, lines)) + len(lines), most)
