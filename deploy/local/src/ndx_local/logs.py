"""Log files of the parts: the last line for a message, rotation by size while they are being written."""

import shutil
from contextlib import suppress
from pathlib import Path

LIMIT = 50_000_000
KEPT = 2
TAIL_BYTES = 4096
LINE_LENGTH = 300


def last_line(log: Path, *, after: int = 0) -> str:
    """Return the last line written behind the byte `after`, shortened; nothing when there is none."""
    try:
        with log.open("rb") as file:
            end = file.seek(0, 2)
            file.seek(max(min(after, end), end - TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:LINE_LENGTH] for line in reversed(lines) if line.strip()), "")


def tail(log: Path, lines: int) -> list[str]:
    """Return the last lines of a log."""
    with log.open(encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()[-lines:]


def rotate(folder: Path, *, limit: int = LIMIT) -> None:
    """Move the content of grown logs to `.1`, `.2`; the file stays, because its writer has it open."""
    for log in folder.glob("*.log"):
        with suppress(OSError):
            if log.stat().st_size <= limit:
                continue
            for number in range(KEPT, 1, -1):
                older = log.with_name(f"{log.name}.{number - 1}")
                if older.exists():
                    older.replace(log.with_name(f"{log.name}.{number}"))
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            with log.open("r+b") as file:
                file.truncate(0)
