"""Runs two lanes of make targets at one time: what mostly waits goes on aside while the rest computes.

`python -m ndx_local.lanes MAKE ASIDE FRONT…` shows the targets of the front as they run; what the one aside
says goes to `.cache/logs/ASIDE.log` and follows whole when the front is over. A failure in front ends the
run, as it does where all run one after the other; a failure aside is told at once and lets the front finish.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FrameType
from typing import IO

LOGS = Path(".cache/logs")
GIVES_WAY = 5
"""Niceness of the front: what computes all the time leaves the processors to what has just woken up."""
END_SECONDS = 120.0
"""A stack that is told to go down has gone by then."""
INTERRUPTED = 130
LOOK_SECONDS = 0.2


def say(words: str) -> None:
    sys.stdout.write(f"ndx: {words}\n")
    sys.stdout.flush()


class Interruption:
    """Notes that the run was asked to end; nothing is broken off in the middle, the loops here look."""

    came = False

    def __init__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self.came = True


class Lane:
    """Targets that one make runs one after the other, in a process group of their own."""

    def __init__(self, make: str, targets: list[str], *, log: IO[bytes] | None = None, nice: int = 0) -> None:
        self.process = subprocess.Popen(
            ["nice", "-n", str(nice), make, "--no-print-directory", "--old-file=setup", *targets],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )

    @property
    def code(self) -> int | None:
        """Return how it ended; nothing while it runs."""
        return self.process.poll()


def end(*lanes: Lane) -> None:
    """Interrupt them as Ctrl-C does, and wait until they have put away what they started."""
    running = [lane.process for lane in lanes if lane.code is None]
    for process in running:
        # Once, and its whole group: a second interruption would break off what pytest puts away.
        os.killpg(process.pid, signal.SIGINT)
    for process in running:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def show(log: Path, lane: Lane, interruption: Interruption) -> None:
    """Write out what a lane has said, and what it goes on to say until it ends."""
    with log.open("rb") as source:
        over = False
        while not over:
            over = lane.code is not None or interruption.came
            sys.stdout.buffer.write(source.read())
            sys.stdout.flush()
            time.sleep(0 if over else LOOK_SECONDS)


def run(make: str, aside: str, front: list[str]) -> int:
    """Run both lanes; return 0 when both ended well."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = LOGS / f"{aside}.log"
    interruption = Interruption()
    say(f"make {aside} runs beside the rest, its output follows at the end (until then: {log})")
    with log.open("wb") as sink:
        waits = Lane(make, [aside], log=sink)
    computes = Lane(make, front, nice=GIVES_WAY)
    told = False
    while computes.code is None and not interruption.came:
        if waits.code and not told:
            told = True
            say(f"make {aside} failed, its output follows at the end (until then: {log})")
        time.sleep(LOOK_SECONDS)
    if computes.code and waits.code is None and not interruption.came:
        say(f"make {aside} is ended unfinished, for what failed above")
        end(waits)
        return 1
    if not interruption.came:
        show(log, waits, interruption)
    if interruption.came:
        say("interrupted, what runs is being stopped")
        end(computes, waits)
        return INTERRUPTED
    return 1 if computes.code or waits.code else 0


def main() -> int:
    """Run the lanes that the command line names."""
    make, aside, *front = sys.argv[1:]
    return run(make, aside, front)


if __name__ == "__main__":
    raise SystemExit(main())
