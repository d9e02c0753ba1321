"""The folder in which a run works: for this user alone, marked with the run, each finished stage one file.

`people.parquet` is everybody; `pairs-N.parquet` what the Nth part came to, sorted, so that a place in it is a
number. A file gets its name when it is whole. `scratch` is the engine's own and never outlives its process.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from uuid import UUID

import pyarrow as pa
from pyarrow import parquet

from svc_population.dedupe.errors import DedupeRefused

_MARK = "ndx-dedupe"
_ROWS = 10_000


class NotErased(OSError):
    """Something in the folder could not be erased: people's data is still on the disk."""


class Workspace:
    """The work folder; it is made, looked into and erased here and nowhere else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def scratch(self) -> Path:
        return self.folder / "scratch"

    @property
    def people(self) -> Path:
        return self.folder / "people.parquet"

    def pairs(self, part: int) -> Path:
        return self.folder / f"pairs-{part}.parquet"

    def begin(self, run_id: UUID) -> None:
        """Make the folder for a run, without what another one left.

        Raises:
            DedupeRefused: it holds something that no run put there.
            NotErased: what another run left cannot be erased.
        """
        mark = self.folder / _MARK
        if self.folder.exists() and not mark.exists() and any(self.folder.iterdir()):
            raise DedupeRefused(
                f"{self.folder} holds other files: name an empty folder in POPULATION_DEDUPE_FOLDER"
            )
        self.erase()
        # Whatever the engines create is for this user alone, too.
        os.umask(0o077)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        mark.write_text(str(run_id), encoding="ascii")
        self.scratch.mkdir(mode=0o700)

    def take_up(self, run_id: UUID) -> bool:
        """Return whether the folder still holds what the run read; only finished stages stay in it."""
        try:
            mine = (self.folder / _MARK).read_text(encoding="ascii") == str(run_id)
        except FileNotFoundError:
            return False
        if not mine or not self.people.exists():
            return False
        os.umask(0o077)
        self.folder.chmod(0o700)
        for path in self.folder.iterdir():
            if path.suffix == ".tmp":
                _erase(path)
        _erase(self.scratch)
        self.scratch.mkdir(mode=0o700)
        return True

    def erase(self) -> None:
        """Erase the folder with all it holds, its mark last: what is left is known as a run's.

        Raises:
            NotErased: with what remains.
        """
        if not self.folder.exists():
            return
        left: list[str] = []
        for path in sorted(self.folder.iterdir(), key=lambda p: p.name == _MARK):
            if path.name == _MARK and left:
                raise NotErased("; ".join(left))
            try:
                _erase(path)
            except NotErased as error:
                left.append(str(error))
        try:
            self.folder.rmdir()
        except OSError:
            # A mounted folder cannot go; it only has to be empty.
            if any(self.folder.iterdir()):
                raise NotErased(f"{self.folder} cannot be emptied") from None

    def persons(self) -> int:
        """Return how many people were read."""
        return int(parquet.read_metadata(self.people).num_rows)

    def counted(self, part: int) -> int:
        """Return how many pairs a compared part has."""
        return int(parquet.read_metadata(self.pairs(part)).num_rows)

    def rows(self, part: int, *, after: int = 0) -> Iterator[dict[str, Any]]:
        """Yield a part's pairs in their order, behind as many as were settled."""
        with parquet.ParquetFile(self.pairs(part)) as file:
            for batch in file.iter_batches(batch_size=_ROWS):
                if after >= batch.num_rows:
                    after -= batch.num_rows
                    continue
                yield from batch.slice(after).to_pylist()
                after = 0

    def take(self, people: pa.RecordBatchReader) -> int:
        """Write everybody down; return how many."""
        rows = 0
        with (
            whole(self.people) as path,
            parquet.ParquetWriter(path, people.schema, compression="zstd") as writer,
        ):
            for batch in people:
                writer.write_batch(batch)
                rows += batch.num_rows
        return rows


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Give a name to write to; the file gets its own when all is on the disk."""
    temporary = path.with_name(f"{path.name}.tmp")
    yield temporary
    with temporary.open("rb") as file:
        _to_disk(file)
    temporary.rename(path)


def _to_disk(file: IO[bytes]) -> None:
    os.fsync(file.fileno())


def _erase(path: Path) -> None:
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except FileNotFoundError:
        return
    except OSError as error:
        raise NotErased(f"{path} cannot be erased: {error.strerror}") from error
