"""Files of match jobs on disk: uploaded parts and parts of the result, named by us and never by callers.

A file is written beside its place, synchronised and moved there, so it is whole or not there.
"""

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID, uuid4

from svc_population.match_jobs.errors import FileStorageFull

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_BLOCK = 1 << 18


class JobFiles:
    """The folder of one job."""

    def __init__(self, folder: Path, job_id: UUID) -> None:
        self.folder = folder / str(job_id)

    def part(self, number: int) -> Path:
        return self.folder / f"part-{number:06d}"

    def result(self, number: int) -> Path:
        return self.folder / f"result-{number:06d}"

    def write(self, place: Path, content: bytes) -> None:
        """Put content at its place, durably.

        Raises:
            FileStorageFull: the disk has no room; nothing of the file stays.
        """
        beside = place.with_name(f"{place.name}.{uuid4().hex}")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with beside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(place)
        except OSError as error:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
            if error.errno in _FULL:
                raise FileStorageFull(retry_after=600) from None
            raise

    def blocks(self, parts: int) -> Iterator[bytes]:
        """Yield the uploaded file from its first byte to its last."""
        for number in range(1, parts + 1):
            with self.part(number).open("rb") as file:
                while block := file.read(_BLOCK):
                    yield block

    @property
    def holds_upload(self) -> bool:
        return self.part(1).exists()

    def erase_upload(self) -> None:
        # The first part goes last: as long as it is there, others may be.
        for file in sorted(self.folder.glob("part-*"), reverse=True):
            file.unlink(missing_ok=True)

    def erase(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
