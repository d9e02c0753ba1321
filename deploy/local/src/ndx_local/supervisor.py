"""Keeps the parts of a stack running: starts by readiness, restarts with backoff, stops in reverse order.

Runs on its own (`python -m ndx_local.supervisor STACK`) and listens on a Unix socket for one JSON
command per line: status, stop, start, kill, add, remove, down.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ndx_local import leftovers, logs, ports
from ndx_local.parts import Part
from ndx_local.paths import ROOT, StackPaths
from ndx_local.probes import is_ready

READY_SECONDS = float(os.environ.get("NDX_READY_SECONDS", "120"))
STOP_SECONDS = float(os.environ.get("NDX_STOP_SECONDS", "15"))
LEAVE_SECONDS = 40.0
GOOD_SECONDS = 30.0
"""After so long a run, the next failure is a new story: its backoff starts anew."""
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
LOG_CHECK_SECONDS = 10.0
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "LD_LIBRARY_PATH")


class Running:
    """One part and its process."""

    def __init__(self, part: Part, paths: StackPaths) -> None:
        self.part = part
        self.paths = paths
        self.process: asyncio.subprocess.Process | None = None
        self.state = "WAITING"
        self.starts = 0
        self.wanted = True
        self.ready = asyncio.Event()
        self.over = asyncio.Event()
        self.failure = ""
        self.late = 0

    @property
    def log(self) -> Path:
        return self.paths.log(self.part.name)

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.returncode is None

    def describe(self) -> dict[str, Any]:
        """Return what `status` shows of the part."""
        return {
            "name": self.part.name,
            "state": self.state,
            "pid": self.process.pid if self.process is not None and self.is_alive else None,
            "restarts": max(0, self.starts - 1),
            "once": self.part.once,
            "failure": self.failure,
            "log": str(self.log),
        }

    @property
    def patience(self) -> float:
        """Return how long it may take to be ready; a slow start on a busy machine needs more each time."""
        return READY_SECONDS * (1, 2, 4, 8)[min(self.late, 3)]

    async def _spawn(self, command: list[str]) -> asyncio.subprocess.Process:
        inherited = {k: os.environ[k] for k in INHERITED if k in os.environ}
        # No proxy stands between the parts of one machine.
        own = {"NDX_STACK_DIR": str(self.paths.home), "NO_PROXY": "localhost,127.0.0.1"}
        marks = {leftovers.MARK: str(self.paths.home), leftovers.PART_MARK: self.part.name}
        with self.log.open("ab") as sink:
            return await asyncio.create_subprocess_exec(
                *command,
                cwd=ROOT,
                env={**inherited, **own, **self.part.env, **marks},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
            )

    async def keep(self) -> None:
        """Start, wait until ready, watch, restart; a `once` part runs until it has ended well."""
        attempt = 0
        self.over.clear()
        while self.wanted:
            self.state = "STARTING"
            self.starts += 1
            started = time.monotonic()
            self.failure = await self._live()
            self.ready.clear()
            if not self.wanted:
                break
            if not self.failure:
                self.state = "DONE"
                self.ready.set()
                self.over.set()
                return
            self.state = "FAILED"
            if time.monotonic() - started > GOOD_SECONDS:
                attempt = 0
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt += 1
        self.state = "STOPPED"
        self.over.set()

    async def _live(self) -> str:
        """Run the process once; return why it ended, or nothing when that is as it should be."""
        if self.starts > 1:
            await asyncio.to_thread(leftovers.end_of_part, self.paths.home, self.part.name)
        for port in self.part.ports:
            if not ports.is_free(port):
                return f"port {port} is in use by {ports.holder(port)}"
        written = self.log.stat().st_size if self.log.exists() else 0
        try:
            self.process = await self._spawn(self.part.command)
        except OSError as error:
            return f"could not be started: {error}"
        code = await (self.process.wait() if self.part.once else self._watch(self.process))
        if self.part.once and code == 0:
            return ""
        late = f"was not ready within {self.patience:.0f} s" if self.state == "LATE" else None
        self.late = self.late + 1 if late else 0
        how = late or (f"was ended by signal {-code}" if code < 0 else f"ended with code {code}")
        last = logs.last_line(self.log, after=written)
        return f"{how}: {last}" if last else how

    async def _watch(self, process: asyncio.subprocess.Process) -> int:
        ended = asyncio.ensure_future(process.wait())
        deadline = time.monotonic() + self.patience
        while not ended.done() and not self.ready.is_set():
            answers = await asyncio.gather(*(is_ready(probe) for probe in self.part.ready))
            if all(answers) and not ended.done():
                self.state, self.failure = "UP", ""
                self.ready.set()
            elif time.monotonic() > deadline:
                self.state = "LATE"
                self.signal(signal.SIGKILL)
                break
            else:
                await asyncio.wait([ended], timeout=0.05)
        return await ended

    def signal(self, number: int) -> None:
        """Send a signal to the part's whole process group."""
        if self.process is None or self.process.returncode is not None:
            return
        if number in {signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT} and self.state == "UP":
            # Nobody may take it for ready in the moment until its end is noticed.
            self.state = "ENDING"
            self.ready.clear()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    async def leave(self) -> None:
        """Let the part end its work first, where it has a way to."""
        if not self.part.leave or self.state != "UP":
            return
        leaving = await self._spawn(self.part.leave)
        try:
            async with asyncio.timeout(LEAVE_SECONDS):
                await leaving.wait()
        except TimeoutError:
            leaving.kill()
            await leaving.wait()

    async def stop(self) -> None:
        """End the part: politely, and after a while at once."""
        self.wanted = False
        if self.process is not None and self.is_alive:
            self.signal(getattr(signal, f"SIG{self.part.signal}"))
            try:
                async with asyncio.timeout(STOP_SECONDS):
                    await self.process.wait()
            except TimeoutError:
                self.signal(signal.SIGKILL)
                await self.process.wait()
            # Grandchildren that outlived their parent are in the same group.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.ready.clear()
        self.state = "STOPPED"


class Supervisor:
    """All parts of one stack."""

    def __init__(self, paths: StackPaths) -> None:
        self.paths = paths
        self.running: dict[str, Running] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.finish = asyncio.Event()

    async def run(self) -> None:
        """Serve commands until told to go down."""
        self.paths.socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path=str(self.paths.socket))
        self.paths.socket.chmod(0o600)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end, f"signal {number}")
        rotation = asyncio.create_task(self._rotate())
        self._add()
        await self.finish.wait()
        rotation.cancel()
        await self._down()
        server.close()
        self.paths.socket.unlink(missing_ok=True)

    def _end(self, by: str) -> None:
        print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} going down by {by}", flush=True)
        self.finish.set()

    def _add(self) -> None:
        """Begin with the parts of the plan that are new."""
        new = [part for name, part in self._plan().items() if name not in self.running]
        self.running.update({part.name: Running(part, self.paths) for part in new})
        for part in new:
            self.tasks[part.name] = asyncio.create_task(self._begin(self.running[part.name]))

    def _plan(self) -> dict[str, Part]:
        return {item["name"]: Part(**item) for item in json.loads(self.paths.plan.read_text())}

    async def _rotate(self) -> None:
        while True:
            await asyncio.sleep(LOG_CHECK_SECONDS)
            await asyncio.to_thread(logs.rotate, self.paths.logs)

    async def _begin(self, running: Running) -> None:
        for name in running.part.after:
            if name in self.running:
                await self.running[name].ready.wait()
        await running.keep()

    async def _down(self) -> None:
        for task in self.tasks.values():
            task.cancel()
        stopped = {name: asyncio.Event() for name in self.running}

        async def stop(running: Running) -> None:
            for other in self.running.values():
                if running.part.name in other.part.after:
                    await stopped[other.part.name].wait()
            await running.stop()
            stopped[running.part.name].set()

        await asyncio.gather(*(stop(running) for running in self.running.values()))
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._obey(json.loads(await reader.readline()))
        except KeyError as error:
            answer = {"error": f"there is no {error.args[0]}"}
        except ValueError:
            answer = {"error": "that is no command"}
        writer.write(json.dumps(answer).encode() + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()

    async def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        verb = command["do"]
        if verb == "down":
            self._end("a command")
        elif verb == "add":
            self._add()
        elif verb in {"stop", "start", "kill", "remove"}:
            running = self.running[command["part"]]
            # The plan may have other settings for it by now.
            running.part = self._plan().get(running.part.name, running.part)
            if verb == "kill":
                running.signal(int(command.get("signal", signal.SIGKILL)))
            elif verb in {"stop", "remove"}:
                await running.leave()
                await self._stop(running)
                if verb == "remove":
                    del self.running[running.part.name], self.tasks[running.part.name]
            elif self.tasks[running.part.name].done():
                running.wanted = True
                self.tasks[running.part.name] = asyncio.create_task(running.keep())
        return {"parts": [r.describe() for r in self.running.values()]}

    async def _stop(self, running: Running) -> None:
        await running.stop()
        # It may have been waiting for its turn or for its next try.
        task = self.tasks[running.part.name]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        running.state = "STOPPED"


def main() -> int:
    """Run the supervisor of the stack named on the command line in the background, unless one is running."""
    paths = StackPaths(sys.argv[1])
    with paths.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"stack {paths.name} has a supervisor already")
            return 1
        if os.fork() > 0:
            os._exit(0)  # the child has the lock, and nobody waits for it
        os.setsid()
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        asyncio.run(Supervisor(paths).run())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
