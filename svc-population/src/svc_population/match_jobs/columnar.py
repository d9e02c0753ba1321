"""A Parquet file as lines: a bounded process of its own reads it, so that no file harms the service."""

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache

from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.reading import MOST_EXPANDED, MOST_RATIO, SMALL, FileRefused
from svc_population.match_jobs.vocabulary import FileFault, MatchColumn

_BLOCK = 1 << 18
_PROGRAM = "svc_population.match_jobs.parquet"
_KILLED = -9
_TIME_OUT = -24


@cache
def is_served() -> bool:
    """Tell whether the library is installed: it is an extra of this package."""
    return importlib.util.find_spec("pyarrow") is not None


def rows(files: JobFiles, parts: int, columns: Sequence[MatchColumn]) -> Iterator[bytes]:
    """Yield the file's rows as blocks of NDJSON, the same each time.

    Raises:
        FileRefused: it is no Parquet file of these columns, is broken, or expands beyond reason.
    """
    taken = sum(files.part(n).stat().st_size for n in range(1, parts + 1))
    names = ",".join(c.value for c in columns)
    # No environment: the program needs no password of the service's. One thread and the system's allocator
    # keep to the bound on memory.
    process = subprocess.Popen(
        [sys.executable, "-m", _PROGRAM, str(files.folder.absolute()), str(parts), names],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"ARROW_DEFAULT_MEMORY_POOL": "system", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
    )
    given = 0
    try:
        while block := os.read(process.stdout.fileno(), _BLOCK) if process.stdout else b"":
            given += len(block)
            if given > max(SMALL, taken * MOST_RATIO) or given > MOST_EXPANDED:
                raise FileRefused(FileFault.BOMB)
            yield block
        said = process.stderr.read(200).decode(errors="replace") if process.stderr else ""
        if status := process.wait():
            raise FileRefused(_fault(status, said))
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def _fault(status: int, said: str) -> FileFault:
    if said in {fault.value for fault in FileFault}:
        return FileFault(said)
    return FileFault.BOMB if status in {_KILLED, _TIME_OUT} or "MemoryError" in said else FileFault.UNREADABLE
