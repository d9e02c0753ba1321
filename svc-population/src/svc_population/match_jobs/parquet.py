"""Program `python -m …match_jobs.parquet FOLDER PARTS COLUMNS`: a Parquet file as NDJSON on stdout.

It runs as a process of its own, with bounds on memory and processor time that the kernel keeps, because a
file from outside goes through a large library here: whatever the file does to it, the service does not
notice. What is wrong with a file is its only word on stderr. Nothing but this program imports the library.
"""

import io
import resource
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO

import orjson

MEMORY = 1536 * 1024**2
SECONDS = 3600
MOST_FOOTER = 16 * 1024**2
"""The footer is read whole: 16 MiB describe tens of thousands of row groups."""
MOST_ROWS = 20_000_000
MOST_GROUP = 1024**3
"""Decompressed bytes of a row group, as the file says; 128 MiB to 512 MiB are usual."""
BATCH = 1024
LONGEST_LINE = 4096
_MAGIC = b"PAR1"
_ENDS = 12
"""Both magics and the length of the footer."""


class Refused(Exception):
    """The file cannot be read; the word is the job's fault."""


class Parts(io.RawIOBase):
    """Uploaded parts as one file that can be read anywhere."""

    def __init__(self, folder: Path, number: int) -> None:
        super().__init__()
        self._paths = [folder / f"part-{n:06d}" for n in range(1, number + 1)]
        self._starts = [0]
        for path in self._paths:
            self._starts.append(self._starts[-1] + path.stat().st_size)
        self.size = self._starts[-1]
        self._at = 0
        self._open: tuple[int, BinaryIO] | None = None

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None
        super().close()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = max(0, offset + (0, self._at, self.size)[whence])
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._at >= self.size:
            return 0
        number = next(n for n in self._likely() if self._starts[n] <= self._at < self._starts[n + 1])
        if self._open is None or self._open[0] != number:
            if self._open is not None:
                self._open[1].close()
            self._open = (number, self._paths[number].open("rb"))
        file = self._open[1]
        file.seek(self._at - self._starts[number])
        content = file.read(len(buffer))
        buffer[: len(content)] = content
        self._at += len(content)
        return len(content)

    def _likely(self) -> Iterator[int]:
        """Yield places of parts, first those where the last reading ended."""
        if self._open is not None:
            yield from (n for n in (self._open[0], self._open[0] + 1) if n < len(self._paths))
        yield from range(len(self._paths))


def check_ends(file: BinaryIO, size: int) -> None:
    """Look at what can be told without the library: magic at both ends, and a footer of reasonable size.

    Raises:
        Refused: it is no Parquet file, was cut off, is encrypted, or its footer would fill memory.
    """
    if size < _ENDS or file.read(4) != _MAGIC:
        raise Refused("file-unreadable")
    file.seek(size - 8)
    end = file.read(8)
    if end[4:] != _MAGIC:
        raise Refused("file-truncated")
    footer = int.from_bytes(end[:4], "little")
    if footer > min(MOST_FOOTER, size - _ENDS):
        raise Refused("file-unreadable")
    file.seek(0)


def records(file: BinaryIO, size: int, columns: list[str]) -> Iterator[bytes]:
    """Yield a line per row, in the file's order: the same lines each time.

    Raises:
        Refused: a column is unknown, missing, nested or of another type; or it expands beyond reason.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_ends(file, size)
    source = pq.ParquetFile(
        pa.PythonFile(file, mode="r"),
        pre_buffer=False,
        buffer_size=1 << 18,
        thrift_string_size_limit=MOST_FOOTER,
        thrift_container_size_limit=1_000_000,
        arrow_extensions_enabled=False,
    )
    _check_schema(source.schema_arrow, columns)
    about = source.metadata
    if about.num_rows > MOST_ROWS:
        raise Refused("file-too-large")
    rows = 0
    for number in range(about.num_row_groups):
        group = about.row_group(number)
        if not 0 <= group.total_byte_size <= MOST_GROUP:
            raise Refused("file-expands-too-much")
        for batch in source.iter_batches(BATCH, row_groups=[number], use_threads=False):
            rows += batch.num_rows
            if rows > about.num_rows:
                raise Refused("file-unreadable")
            names = batch.schema.names
            cells = [_cells(column) for column in batch.columns]
            for row in zip(*cells, strict=True):
                line = orjson.dumps(dict(zip(names, row, strict=True)))
                # A row that is too long is told as one; there is no need to hand it on.
                yield line if len(line) <= LONGEST_LINE else b"x" * (LONGEST_LINE + 1)
    if rows != about.num_rows:
        raise Refused("file-truncated")


def _cells(column: Any) -> list[Any]:
    return [c.isoformat() if isinstance(c, date) else c for c in column.to_pylist()]


def _check_schema(schema: Any, columns: list[str]) -> None:
    import pyarrow.types as kinds

    if sorted(schema.names) != sorted(columns):
        raise Refused("file-header-wrong")
    for field in schema:
        text = kinds.is_string(field.type) or kinds.is_large_string(field.type)
        if not text and not (field.name == "birth_date" and kinds.is_date32(field.type)):
            raise Refused("file-header-wrong")


def run(folder: Path, parts: int, columns: list[str], out: BinaryIO) -> str:
    """Write the lines; return what is wrong with the file, or nothing."""
    raw = Parts(folder, parts)
    try:
        with io.BufferedReader(raw, 1 << 18) as file:
            out.writelines(line + b"\n" for line in records(file, raw.size, columns))
        out.flush()
    except Refused as refused:
        return str(refused)
    except MemoryError:
        return "file-expands-too-much"
    except FileNotFoundError:
        return "file-truncated"
    except BrokenPipeError:
        raise
    except (OSError, ValueError, OverflowError, NotImplementedError):
        # The library's errors are some of these; they may quote the file, so they are not passed on.
        return "file-unreadable"
    return ""


def main() -> int:
    """Bound this process, then read."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    folder, parts, columns = sys.argv[1:]
    fault = run(Path(folder), int(parts), columns.split(","), sys.stdout.buffer)
    sys.stderr.write(fault)
    return 1 if fault else 0


if __name__ == "__main__":
    raise SystemExit(main())
