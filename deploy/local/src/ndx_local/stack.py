"""A stack as a program or a test sees it: up, down, status, and hurting one part at a time."""

import fcntl
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from ndx_local import leftovers, postgres
from ndx_local.config import (
    choose_ports,
    env_for,
    environment,
    log_folder,
    passwords,
    service_named,
    write_description,
)
from ndx_local.errors import StackError
from ndx_local.parts import Part, declare
from ndx_local.paths import ROOT, StackPaths

START_SECONDS = 300.0
TRIES = 3
"""A part that has failed so often while the stack starts will not start at all."""
NEEDED_BYTES = 1_000_000_000
READY = frozenset({"UP", "DONE"})
Report = Callable[[str], None]


def _with_needs(parts: list[Part], only: Iterable[str] | None) -> list[Part]:
    """Return the named parts and what they need, in order; all parts when none is named."""
    if only is None:
        return parts
    by_name = {part.name: part for part in parts}
    wanted: set[str] = set()
    pending = list(only)
    while pending:
        name = pending.pop()
        if name not in by_name:
            raise StackError(f"there is no part named {name}; parts are {', '.join(by_name)}")
        if name not in wanted:
            wanted.add(name)
            pending.extend(n for n in by_name[name].after if n in by_name)
    return [part for part in parts if part.name in wanted]


@contextmanager
def alone(file: Path, when_busy: Callable[[str], None]) -> Iterator[None]:
    """Hold a file alone; if somebody does, `when_busy` is told their pid, and unless it raises, wait."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.seek(0)
            when_busy(lock.read().strip())
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


class Stack:
    """One named stack of this checkout."""

    def __init__(self, name: str) -> None:
        self.paths = StackPaths(name)

    @classmethod
    def open(cls, name: str) -> "Stack":
        return cls(name)

    @property
    def description(self) -> dict[str, Any]:
        """Return what `stack.json` says: URLs, ports, folders, settings."""
        if not self.paths.description.exists():
            raise StackError(f"stack {self.paths.name} was never started; run: make up")
        document: dict[str, Any] = json.loads(self.paths.description.read_text())
        return document

    def env(self, service: str | None = None) -> dict[str, str]:
        """Return the settings of all services, or what one service is started with."""
        values: dict[str, str] = self.description["env"]
        if service is None:
            return values
        return env_for(values, service_named(service))

    def command(self, do: str, **rest: Any) -> dict[str, Any] | None:
        """Ask the supervisor; None when it does not run."""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(60)
                link.connect(str(self.paths.socket))
                link.sendall(json.dumps({"do": do, **rest}).encode() + b"\n")
                data = b""
                while not data.endswith(b"\n"):
                    chunk = link.recv(65536)
                    if not chunk:
                        break
                    data += chunk
        except OSError:
            return None
        answer: dict[str, Any] = json.loads(data) if data else {}
        return answer

    def status(self) -> list[dict[str, Any]]:
        answer = self.command("status")
        return [] if answer is None else list(answer.get("parts", []))

    def part(self, name: str) -> dict[str, Any]:
        """Return what `status` says of one part: state, pid, restarts, failure, log."""
        found = next((p for p in self.status() if p["name"] == name), None)
        if found is None:
            raise StackError(f"stack {self.paths.name} runs no part named {name}")
        return found

    def is_supervised(self) -> bool:
        """Tell whether a supervisor holds the stack."""
        try:
            with self.paths.lock.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def is_up(self) -> bool:
        parts = self.status()
        return bool(parts) and all(p["state"] in READY for p in parts)

    def up(
        self,
        *,
        only: Iterable[str] | None = None,
        durable: bool = True,
        extra_env: dict[str, str] | None = None,
        report: Report = lambda _: None,
    ) -> None:
        """Start the stack and return when every part is ready; a start that fails is undone.

        Of two starts at one time the second waits, and finds what the first has started.
        """
        with alone(self.paths.home / "up.lock", lambda pid: self._wait_for(pid, report)):
            self._up(only=only, durable=durable, extra_env=extra_env, report=report)

    def _wait_for(self, pid: str, report: Report) -> None:
        report(f"stack {self.paths.name} is being started already (pid {pid}): waiting for that")

    def _up(
        self,
        *,
        only: Iterable[str] | None,
        durable: bool,
        extra_env: dict[str, str] | None,
        report: Report,
    ) -> None:
        running = {part["name"]: part for part in self.status()}
        if running:
            self._add(only, running, durable=durable)
            self._await_ready(report)
            return
        self._clean_stale()
        log_folder(self.paths)
        if shutil.disk_usage(self.paths.home).free < NEEDED_BYTES:
            raise StackError(
                f"less than 1 GB is free on the disk of {self.paths.home}: make room and start again"
            )
        keys = passwords(self.paths)
        ports = choose_ports(self.paths, report)
        values = {**environment(self.paths, ports, keys), **(extra_env or {})}
        write_description(self.paths, ports, values)
        parts = _with_needs(declare(self.paths, ports, values, durable=durable), only)
        if any(p.name == "postgres" for p in parts):
            postgres.initialise(self.paths.postgres, keys[postgres.ADMIN])
        self._start_supervisor(parts)
        try:
            self._await_ready(report)
        except (StackError, KeyboardInterrupt):
            self.down()
            raise

    def _add(self, only: Iterable[str] | None, running: dict[str, dict[str, Any]], *, durable: bool) -> None:
        """Let the running supervisor start the wanted parts that are new to it or stopped."""
        description = self.description
        declared = declare(self.paths, description["ports"], description["env"], durable=durable)
        wanted = _with_needs(declared, only)
        if new := [part for part in wanted if part.name not in running]:
            self._write_plan([part for part in declared if part in new or part.name in running])
            self.command("add")
        for part in wanted:
            if part.name in running and running[part.name]["state"] == "STOPPED":
                self._ask("start", part.name)

    def _write_plan(self, parts: list[Part]) -> None:
        postgres.private_file(self.paths.plan, json.dumps([part.as_dict() for part in parts]))

    def _start_supervisor(self, parts: list[Part]) -> None:
        self._write_plan(parts)
        with self.paths.log("supervisor").open("ab") as sink:
            started = subprocess.run(
                [sys.executable, "-m", "ndx_local.supervisor", self.paths.name],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                check=False,
                env={**os.environ, leftovers.MARK: str(self.paths.home)},
            )
        if started.returncode != 0:
            raise StackError(f"the supervisor did not start; its log is {self.paths.log('supervisor')}")

    def _await_ready(self, report: Report) -> None:
        deadline = time.monotonic() + START_SECONDS
        told: set[str] = set()
        before = {part["name"]: int(part["restarts"]) for part in self.status()}
        while time.monotonic() < deadline:
            parts = self.status()
            for part in parts:
                if part["state"] in READY and part["name"] not in told:
                    told.add(part["name"])
                    report(f"ready: {part['name']}")
                if part["state"] == "FAILED" and part["restarts"] - before.get(part["name"], 0) >= TRIES - 1:
                    raise StackError(
                        f"{part['name']} does not start, it {part['failure']}; its log is {part['log']}"
                    )
            if parts and all(p["state"] in READY for p in parts):
                return
            if not parts and not self.is_supervised():
                break
            time.sleep(0.1)
        late = [p for p in self.status() if p["state"] not in READY]
        words = ", ".join(f"{p['name']} is {p['state']} (its log is {p['log']})" for p in late)
        raise StackError(
            words or f"the supervisor does not answer; its log is {self.paths.log('supervisor')}"
        )

    def down(self) -> None:
        """Stop everything; nothing of the stack runs afterwards."""
        if self.command("down") is not None:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and self.command("status") is not None:
                time.sleep(0.1)
        self._clean_stale()

    def processes(self) -> list[psutil.Process]:
        """Return what runs of this stack, also what a killed supervisor left behind; PostgreSQL's own not."""
        return leftovers.of_stack(self.paths.home)

    def _clean_stale(self) -> None:
        leftovers.end(self.processes(), seconds=8)
        postgres.stop(self.paths.postgres)
        self.paths.socket.unlink(missing_ok=True)

    def kill(self, part: str, number: int = signal.SIGKILL) -> None:
        """Send a signal to a part; the supervisor brings it back."""
        self._ask("kill", part, signal=int(number))

    def stop_part(self, part: str) -> None:
        self._ask("stop", part)

    def start_part(self, part: str) -> None:
        self._ask("start", part)
        self.wait_ready(part)

    def add_part(self, part: Part) -> None:
        """Start one more part; return when it is ready."""
        self._write_plan([*self._planned(), part])
        self.command("add")
        self.wait_ready(part.name)

    def remove_part(self, name: str) -> None:
        """Stop a part and forget it."""
        self._write_plan([part for part in self._planned() if part.name != name])
        self._ask("remove", name)

    def planned(self, name: str) -> Part:
        """Return a part as it is declared."""
        return next(part for part in self._planned() if part.name == name)

    def change_part(self, name: str, **env: str) -> None:
        """Give a part other settings, from its next start on."""
        changed = replace(self.planned(name), env={**self.planned(name).env, **env})
        self._write_plan([changed if part.name == name else part for part in self._planned()])

    def _planned(self) -> list[Part]:
        return [Part(**item) for item in json.loads(self.paths.plan.read_text())]

    def _ask(self, do: str, part: str, **rest: Any) -> None:
        answer = self.command(do, part=part, **rest)
        if answer is None or "error" in answer:
            reason = "it does not run" if answer is None else answer["error"]
            raise StackError(f"the supervisor could not {do} {part}: {reason}")

    def wait_ready(self, part: str, *, seconds: float = 60.0, restarts_over: int = -1) -> None:
        """Wait until a part is up (again: with more than `restarts_over` restarts)."""
        deadline = time.monotonic() + seconds
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            found = next((p for p in self.status() if p["name"] == part), {})
            if found and found["state"] in READY and found["restarts"] > restarts_over:
                return
            time.sleep(0.05)
        reason = f" ({found['failure']})" if found.get("failure") else ""
        raise StackError(
            f"{part} is not ready after {seconds:.0f} s{reason}; its log is {self.paths.log(part)}"
        )

    def restarts_of(self, part: str) -> int:
        return next((int(p["restarts"]) for p in self.status() if p["name"] == part), 0)


def fresh_name(prefix: str) -> str:
    """Return a stack name that nobody has used."""
    return f"{prefix}-{secrets.token_hex(3)}"
