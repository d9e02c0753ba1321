"""`make test` runs the end-to-end tests beside the rest: all is shown whole, and nothing outlives the run."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

PUTS_AWAY = """import pathlib, time
pathlib.Path("{name}.began").touch()
try:
    time.sleep(120)
except KeyboardInterrupt:
    time.sleep(0.5)
    print("{name} has put away", flush=True)
    pathlib.Path("{name}.away").touch()
"""
Begin = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Begin]:
    """Start the lanes `aside` and `first`, then `second`, with the given recipes."""
    begun: list[subprocess.Popen[str]] = []

    def start(**recipes: str) -> subprocess.Popen[str]:
        targets = [f"{name}: setup\n\t@{recipe}\n" for name, recipe in recipes.items()]
        # The set-up is done by then, and two at a time would only wait for each other.
        (tmp_path / "Makefile").write_text("\n".join([*targets, "setup:\n\t@echo set up again\n"]))
        begun.append(
            subprocess.Popen(
                [sys.executable, "-m", "ndx_local.lanes", "make", "aside", "first", "second"],
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")},
            )
        )
        return begun[-1]

    yield start
    for process in begun:
        process.terminate()
        process.communicate(timeout=60)


def waits(folder: Path, name: str) -> str:
    """Return a recipe that runs until it is interrupted, and then puts something away."""
    (folder / f"{name}.py").write_text(PUTS_AWAY.format(name=name))
    return f"{sys.executable} {name}.py"


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline, f"{file.name} never came"
        time.sleep(0.05)


def left_in(folder: Path) -> list[str]:
    """Return what still runs in a folder."""
    return [str(p.info["name"]) for p in psutil.process_iter(["cwd", "name"]) if p.info["cwd"] == str(folder)]


class TestLanes:
    def test_both_run_at_one_time_and_are_shown_whole(self, begin: Begin, tmp_path: Path) -> None:
        until = "for i in $$(seq 600); do [ -e {} ] && break; sleep 0.1; done"
        lanes = begin(
            aside=f"{until.format('met')} && echo aside ends >&2",
            first="echo first ends && touch met",
            second="echo second ends",
        )
        said, _ = lanes.communicate(timeout=90)
        assert lanes.returncode == 0
        lines = said.splitlines()
        assert "make aside runs beside the rest" in lines[0]
        assert lines[1:] == ["first ends", "second ends", "aside ends"]

    def test_a_failure_aside_fails_the_run_is_told_and_shown_and_the_front_finishes(
        self, begin: Begin, tmp_path: Path
    ) -> None:
        lanes = begin(
            aside="echo this went wrong && exit 3",
            first="while ! grep -q wrong .cache/logs/aside.log; do sleep 0.1; done; sleep 1",
            second="echo second ends",
        )
        said, _ = lanes.communicate(timeout=90)
        assert lanes.returncode == 1
        assert (
            said.index("ndx: make aside failed") < said.index("second ends") < said.index("this went wrong")
        )

    def test_a_failure_in_front_ends_the_run_and_what_is_aside_puts_its_things_away(
        self, begin: Begin, tmp_path: Path
    ) -> None:
        lanes = begin(
            aside=waits(tmp_path, "aside"),
            first="while ! [ -e aside.began ]; do sleep 0.1; done; echo this went wrong; exit 3",
            second="echo second ends",
        )
        said, _ = lanes.communicate(timeout=90)
        assert lanes.returncode == 1
        assert said.index("this went wrong") < said.index("make aside is ended unfinished")
        assert "second ends" not in said
        assert (tmp_path / "aside.away").exists()
        assert left_in(tmp_path) == []

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_an_interruption_lets_both_put_their_things_away(
        self, begin: Begin, tmp_path: Path, number: signal.Signals
    ) -> None:
        lanes = begin(
            aside=waits(tmp_path, "aside"), first=waits(tmp_path, "first"), second="echo second ends"
        )
        wait_for(tmp_path / "aside.began")
        wait_for(tmp_path / "first.began")
        lanes.send_signal(number)
        lanes.send_signal(signal.SIGINT)  # who is impatient breaks nothing off
        said, _ = lanes.communicate(timeout=90)
        assert lanes.returncode == 130
        assert "ndx: interrupted" in said
        assert "second ends" not in said
        assert (tmp_path / "aside.away").exists()
        assert (tmp_path / "first.away").exists()
        assert left_in(tmp_path) == []
