"""Finds the processes of a stack by the mark in their environment: also those whose parent was killed."""

import os
import time
from contextlib import suppress
from pathlib import Path

import psutil

MARK = "NDX_SUPERVISED"
PART_MARK = "NDX_PART"


def is_alive(process: psutil.Process) -> bool:
    """Tell whether a process runs; one that has ended and was not yet collected by its parent does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def still_alive(processes: list[psutil.Process], *, seconds: float) -> list[psutil.Process]:
    """Wait until all have ended or the time is over; return those that have not."""
    deadline = time.monotonic() + seconds
    while (alive := [p for p in processes if is_alive(p)]) and time.monotonic() < deadline:
        time.sleep(0.05)
    return alive


def of_stack(home: Path, part: str | None = None) -> list[psutil.Process]:
    """Return what runs of a stack, or of one of its parts; PostgreSQL, which hides its environment, not."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            marks = process.environ()
            if (
                marks.get(MARK) == str(home)
                and part in {None, marks.get(PART_MARK)}
                and process.pid != os.getpid()
                and not process.name().startswith("postgres")
                and is_alive(process)
            ):
                found.append(process)
    return found


def of_postgres(data: Path) -> list[psutil.Process]:
    """Return PostgreSQL's processes on a folder: they work in it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name().startswith("postgres") and process.cwd() == str(data) and is_alive(process):
                found.append(process)
    return found


def end(processes: list[psutil.Process], *, seconds: float) -> None:
    """End processes: politely, and after some seconds at once."""
    for process in processes:
        with suppress(psutil.Error):
            process.terminate()
    for process in still_alive(processes, seconds=seconds):
        with suppress(psutil.Error):
            process.kill()
    still_alive(processes, seconds=5)


def end_of_part(home: Path, part: str) -> None:
    """End what a crashed part left behind: it would hold the port, or the shared memory, of the next one."""
    end(of_stack(home, part), seconds=2)
    if part == "postgres":
        end(of_postgres(home / "postgres" / "data"), seconds=2)
