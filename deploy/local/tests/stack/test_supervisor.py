"""The supervisor brings parts up in order, back after a crash, and down without a trace."""

import os
import signal
import socket
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from ndx_local import stack as stack_module
from ndx_local.errors import StackError
from ndx_local.leftovers import is_alive
from ndx_local.parts import Part


class TestUp:
    def test_parts_start_after_what_they_need(self, stacks: Any, tmp_path: Path) -> None:
        notes = tmp_path / "notes"
        first = stacks.task("first", f"import time; time.sleep(0.3); open('{notes}', 'a').write('first ')")
        second = stacks.task("second", f"open('{notes}', 'a').write('second')", "first")
        stacks(second, first).up()
        assert notes.read_text() == "first second"

    def test_only_the_wanted_parts_and_their_needs_start(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"), stacks.server("b", "a"), stacks.server("c"))
        stack.up(only=["b"])
        assert [p["name"] for p in stack.status()] == ["a", "b"]

    def test_an_unknown_part_is_named(self, stacks: Any) -> None:
        with pytest.raises(StackError, match="no part named nonsense; parts are a"):
            stacks(stacks.server("a")).up(only=["nonsense"])

    def test_a_second_up_leaves_everything_as_it_is(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"))
        stack.up()
        before = stack.part("a")
        stack.up()
        assert stack.part("a") == before

    def test_a_second_up_adds_what_is_missing_and_starts_what_was_stopped(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"), stacks.server("b", "a"), stacks.server("c"))
        stack.up(only=["a", "c"])
        before = stack.part("a")
        stack.stop_part("c")
        stack.up()
        assert {p["name"]: p["state"] for p in stack.status()} == {"a": "UP", "b": "UP", "c": "UP"}
        assert stack.part("a") == before

    def test_a_part_that_crashes_is_named_with_its_last_words_and_its_log(self, stacks: Any) -> None:
        stack = stacks(stacks.task("sad", "raise SystemExit('the moon is in the way')"), stacks.server("a"))
        with pytest.raises(StackError) as caught:
            stack.up()
        text = str(caught.value)
        assert "sad does not start, it ended with code 1: the moon is in the way" in text
        assert str(stack.paths.log("sad")) in text
        assert stack.processes() == []

    def test_a_port_in_use_is_named_with_its_holder(self, stacks: Any) -> None:
        part = stacks.server("a")
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # as Envoy does
            stranger.bind(("127.0.0.1", part.ports[0]))
            stranger.listen()
            with pytest.raises(StackError) as caught:
                stacks(part).up()
        name = psutil.Process().name()
        assert f"port {part.ports[0]} is in use by {name} (pid {os.getpid()})" in str(caught.value)


class TestKeep:
    def test_a_killed_part_comes_back(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"), stacks.server("b"))
        stack.up()
        before = stack.part("a")
        stack.kill("a", signal.SIGKILL)
        stack.wait_ready("a", seconds=60)
        after = stack.part("a")
        assert after["pid"] != before["pid"]
        assert after["restarts"] == 1
        assert stack.part("b")["restarts"] == 0

    def test_a_slow_start_is_given_more_time_with_each_try(
        self, stacks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NDX_READY_SECONDS", "1")
        slow = stacks.server("slow", before="import time; time.sleep(2.5)")
        stack = stacks(slow, stacks.server("a"))
        monkeypatch.setattr(stack_module, "TRIES", 10)
        stack.up()
        assert stack.part("slow")["restarts"] >= 1

    def test_a_part_that_kills_itself_comes_back(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"))
        stack.up()
        os.kill(int(str(stack.part("a")["pid"])), signal.SIGKILL)
        stack.wait_ready("a", seconds=60, restarts_over=0)

    def test_what_a_killed_part_left_behind_does_not_keep_it_from_coming_back(self, stacks: Any) -> None:
        # The port is held by a child of the part, which a kill -9 of the part alone leaves alive.
        part = stacks.server("a")
        child = part.command
        parent = "import subprocess, sys; subprocess.run(sys.argv[1:], start_new_session=True)"
        part.command[:] = [sys.executable, "-I", "-c", parent, *child]
        stack = stacks(part)
        stack.up()
        stack.kill("a", signal.SIGKILL)
        stack.wait_ready("a", seconds=60, restarts_over=0)

    def test_a_stopped_part_stays_stopped_until_it_is_started(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"))
        stack.up()
        stack.stop_part("a")
        assert stack.part("a")["state"] == "STOPPED"
        assert stack.part("a")["pid"] is None
        stack.start_part("a")
        assert stack.part("a")["state"] == "UP"

    def test_a_part_without_a_name_is_refused(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"))
        stack.up()
        with pytest.raises(StackError, match="there is no b"):
            stack.stop_part("b")


class TestDown:
    def test_nothing_stays_behind(self, stacks: Any) -> None:
        stack = stacks(stacks.server("a"), stacks.server("b", "a"))
        stack.up()
        running = stack.processes()
        assert len(running) == 3
        stack.down()
        assert not any(is_alive(process) for process in running)
        assert not stack.paths.socket.exists()

    def test_children_of_a_part_end_with_it(self, stacks: Any, tmp_path: Path) -> None:
        code = (
            "import subprocess, sys, time;"
            " p = subprocess.Popen([sys.executable, '-c', 'import signal, time;"
            " signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)']);"
            f" open({str(tmp_path / 'pid')!r}, 'w').write(str(p.pid)); time.sleep(600)"
        )
        stack = stacks(Part("parent", [sys.executable, "-I", "-c", code], []))
        stack.up()
        deadline = time.monotonic() + 60
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        child = psutil.Process(int((tmp_path / "pid").read_text()))
        stack.down()
        assert not is_alive(child)

    def test_a_part_that_ignores_the_polite_signal_is_ended(
        self, stacks: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stubborn = stacks.server("stubborn", before="import signal; signal.signal(15, signal.SIG_IGN)")
        monkeypatch.setenv("NDX_STOP_SECONDS", "0.5")
        stack = stacks(stubborn)
        stack.up()
        stack.down()
        assert stack.processes() == []

    @pytest.mark.parametrize("then", ["up", "down"])
    def test_leftovers_of_a_killed_supervisor_are_cleaned(self, stacks: Any, then: str) -> None:
        stack = stacks(stacks.server("a"), stacks.server("b"))
        stack.up()
        leftovers = [p for p in stack.processes() if "ndx_local.supervisor" not in p.cmdline()]
        supervisor = psutil.Process(int(stack.paths.lock.read_text()))
        supervisor.kill()
        while is_alive(supervisor):
            time.sleep(0.01)
        assert stack.status() == []
        assert all(is_alive(process) for process in leftovers)
        getattr(stack, then)()
        assert not any(is_alive(process) for process in leftovers)
        assert stack.is_up() is (then == "up")


class TestParts:
    def test_a_part_that_is_stopped_alone_may_end_its_work_first(self, stacks: Any, tmp_path: Path) -> None:
        notes = tmp_path / "notes"
        leave = [sys.executable, "-I", "-c", f"open({str(notes)!r}, 'a').write('leaves ')"]
        stack = stacks(replace(stacks.server("a"), leave=leave))
        stack.up()
        stack.stop_part("a")
        assert notes.read_text() == "leaves "
        stack.start_part("a")
        stack.down()
        # Where everything ends nobody takes its work over.
        assert notes.read_text() == "leaves "

    def test_parts_come_and_go_and_get_other_settings(self, stacks: Any, tmp_path: Path) -> None:
        notes = tmp_path / "notes"
        code = f"import os, time; open({str(notes)!r}, 'a').write(os.environ['WORD']); time.sleep(60)"
        more = Part("more", [sys.executable, "-I", "-c", code], [], {"WORD": "one "})
        stack = stacks(stacks.server("a"))
        stack.up()
        notes.touch()

        def said(words: str) -> bool:
            deadline = time.monotonic() + 20
            while notes.read_text() != words and time.monotonic() < deadline:
                time.sleep(0.05)
            return notes.read_text() == words

        stack.add_part(more)
        assert said("one ")
        stack.change_part("more", WORD="two ")
        stack.stop_part("more")
        stack.start_part("more")
        assert said("one two ")
        stack.remove_part("more")
        assert [p["name"] for p in stack.status()] == ["a"]
