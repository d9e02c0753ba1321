"""Reads a growing log from where one stopped: whole lines, through rotation, and never a line twice."""

import os
from dataclasses import dataclass
from pathlib import Path

CHUNK = 1 << 18
"""Bytes that are read at a time: some 600 calls, so that nothing else waits for long."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a log has been read: which file, and how many bytes of it."""

    file_id: int
    position: int


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines, and the place after them."""

    lines: list[bytes]
    place: Place
    lost: bool = False
    """The file that was being read is gone, so what was left of it was not read."""


def _find(path: Path, file_id: int) -> Path | None:
    """Return the file with that number: the log itself, or one beside it to which it was renamed."""
    for file in (path, *sorted(path.parent.glob(f"{path.name}.*"))):
        try:
            if file.stat().st_ino == file_id:
                return file
        except FileNotFoundError:
            continue
    return None


def read(path: Path, since: Place | None) -> Piece | None:
    """Return the next whole lines after a place, or None when there are none.

    A log that was renamed is read to its end before the new one is begun. One that was cut is read anew.
    """
    if not path.is_file():
        return None
    lost = False
    if since is None:
        since = Place(path.stat().st_ino, 0)
    found = _find(path, since.file_id)
    if found is None:
        found, since, lost = path, Place(path.stat().st_ino, 0), True
    piece = _lines(found, since)
    if piece is None and found != path:
        # Nothing is left of the old file, and nobody writes to it any more.
        piece = _lines(path, Place(path.stat().st_ino, 0))
    if piece is None:
        return Piece([], since, lost) if lost else None
    return Piece(piece.lines, piece.place, lost)


def _lines(file: Path, since: Place) -> Piece | None:
    with file.open("rb") as log:
        size = os.fstat(log.fileno()).st_size
        position = since.position if since.position <= size else 0
        log.seek(position)
        data = log.read(CHUNK)
    end = data.rfind(b"\n") + 1
    if end == 0:
        # A line that is longer than all that is read at a time is none of Envoy's: it is passed over.
        return Piece([], Place(since.file_id, position + len(data))) if len(data) == CHUNK else None
    return Piece(data[:end].splitlines(), Place(since.file_id, position + end))
