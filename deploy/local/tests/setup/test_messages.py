"""What a person at the keyboard reads when set-up or start cannot go on: one sentence, and the log."""

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from ndx_local.errors import StackError
from ndx_local.paths import ROOT
from ndx_local.stack import alone


@pytest.fixture
def bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Give the set-up program, working on an empty checkout."""
    spec = importlib.util.spec_from_file_location("bootstrap", ROOT / "deploy/local/bootstrap.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, path in {"ROOT": tmp_path, "CACHE": tmp_path / ".cache", "VENV": tmp_path / ".venv"}.items():
        monkeypatch.setattr(module, name, path)
    monkeypatch.setattr(sys, "argv", ["bootstrap.py"])
    monkeypatch.chdir(tmp_path)
    return module


def one_sentence(said: str) -> str:
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line]
    assert line.startswith("ndx: ")
    return line


class TestPython:
    @pytest.mark.parametrize("answers", ["echo Python 3.9.2", "echo Python 2.7.18 >&2", "exit 127"])
    def test_a_wrong_or_missing_python_is_named_with_the_remedy(self, tmp_path: Path, answers: str) -> None:
        other = tmp_path / "python-other"
        other.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 1\n{answers}\n')
        other.chmod(0o755)
        command = ["make", "--no-print-directory", "setup", f"PYTHON={other}"]
        outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
        assert outcome.returncode != 0
        words = one_sentence("\n".join(line for line in outcome.stderr.splitlines() if "***" not in line))
        assert "Python 3.11 or newer is needed" in words
        assert str(other) in words
        assert "make PYTHON=" in words


class TestSetUp:
    def test_low_disk(
        self, bootstrap: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**10, 10**10, 10**9))
        assert bootstrap.main() == 1
        assert "less than 4 GB are free" in one_sentence(capsys.readouterr().err)

    @pytest.mark.parametrize(
        ("words", "free", "cause"),
        [
            ("error: failed to lookup address", 10**11, "is there a network"),
            ("error: No space left on device (os error 28)", 10**11, "the disk is full"),
            ("error: write failed", 1000, "the disk is full"),
        ],
    )
    def test_a_tool_that_fails_is_named_with_cause_and_log(
        self,
        bootstrap: Any,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        words: str,
        free: int,
        cause: str,
    ) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 0, free))
        log = tmp_path / "logs" / "tool.log"
        command = [sys.executable, "-c", f"print({words!r}); raise SystemExit(2)"]
        with pytest.raises(bootstrap.SetUpError) as caught:
            bootstrap.run(command, what="installing", log=log)
        assert cause in str(caught.value)
        assert str(log) in str(caught.value)
        assert words in log.read_text()

    def test_an_interruption(
        self, bootstrap: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def interrupted() -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(bootstrap, "install_packages", interrupted)
        assert bootstrap.main() == 130
        assert "start again to go on" in one_sentence(capsys.readouterr().err)

    def test_a_second_set_up_waits_and_says_for_whom(
        self, bootstrap: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        done: list[str] = []
        said: list[str] = []
        # Not from the captured output: what another thread prints while that is read can be lost.
        monkeypatch.setattr(bootstrap, "say", said.append)
        monkeypatch.setattr(bootstrap, "install_packages", lambda: done.append("packages"))
        monkeypatch.setattr(bootstrap, "install_java_parts", lambda: done.append("java"))
        with bootstrap.alone():
            second = threading.Thread(target=bootstrap.main)
            second.start()
            deadline = time.monotonic() + 20
            while not said and time.monotonic() < deadline:
                time.sleep(0.01)
            assert f"another set-up of this checkout is running (pid {os.getpid()})" in said[0]
            assert done == []
        second.join(20)
        assert done == ["packages", "java"]


class TestStarts:
    def test_of_two_starts_at_once_the_second_waits_and_finds_all_up(
        self, stacks: Any, tmp_path: Path
    ) -> None:
        met = tmp_path / "met"
        waiting = f"import os, time\nwhile not os.path.exists({str(met)!r}): time.sleep(0.02)\n"
        stack = stacks(stacks.server("slow", before=waiting), stacks.server("b"))
        said: dict[int, list[str]] = {0: [], 1: []}
        failures: list[Exception] = []

        def start(number: int) -> None:
            def note(word: str) -> None:
                said[number].append(word)
                if "being started already" in word:
                    met.touch()

            try:
                stack.up(report=note)
            except StackError as error:
                failures.append(error)

        threads = [threading.Thread(target=start, args=(n,)) for n in said]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert failures == []
        assert len([w for words in said.values() for w in words if "being started already" in w]) == 1
        assert {p["name"]: (p["state"], p["restarts"]) for p in stack.status()} == {
            "slow": ("UP", 0),
            "b": ("UP", 0),
        }

    def test_a_second_demo_is_refused_with_the_pid_of_the_first(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"))
        command = [sys.executable, "-m", "ndx_demo.main", "--stack", stack.paths.name]
        with alone(stack.paths.home / "demo.lock", lambda _: None):
            outcome = subprocess.run(command, capture_output=True, text=True, check=False)
        assert outcome.returncode == 1
        assert "another demo is running on stack test-0 (pid" in outcome.stderr
        assert "Traceback" not in outcome.stderr

    def test_an_interrupted_start_leaves_nothing_running(self, stacks: Any, tmp_path: Path) -> None:
        stack = stacks(stacks.server("slow", before="import time; time.sleep(60)"))
        code = (
            "import sys; from ndx_local import main, stack; from ndx_local.parts import Part\n"
            f"part = Part(**{stack_part(stacks)!r})\n"
            "stack.declare = lambda *_, **__: [part]\n"
            f"sys.argv = ['ndx', 'up', '--stack', {stack.paths.name!r}]; main.app()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True
        ) as process:
            deadline = time.monotonic() + 30
            while not any(p["pid"] for p in stack.status()) and time.monotonic() < deadline:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "start again to go on" in one_sentence(said)
        assert stack.processes() == []
        assert "going down by a command" in stack.paths.log("supervisor").read_text()


def stack_part(stacks: Any) -> dict[str, Any]:
    part = stacks.server("slow", before="import time; time.sleep(60)")
    described: dict[str, Any] = part.as_dict()
    return described
