"""Keeps the parts of a stack running: starts by readiness, restarts with backoff, stops in reverse order.

Runs as a process of its own (`python -m ndx_local.supervisor STACK PARTS.json`) and listens on a Unix socket
for one JSON command per line: status, stop, start, kill, down.
"""

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, BinaryIO

from ndx_local.parts import Part
from ndx_local.paths import ROOT, StackPaths

READY_SECONDS = 90.0
BACKOFF = (0.2, 0.5, 1.0, 2.0, 5.0)
LOG_LIMIT = 50 * 1024 * 1024


class Running:
    """One part and its process."""

    def __init__(self, part: Part, paths: StackPaths) -> None:
        self.part = part
        self.paths = paths
        self.process: asyncio.subprocess.Process | None = None
        self.state = "WAITING"
        self.restarts = 0
        self.wanted = True
        self.ready = asyncio.Event()
        self.failure = ""

    def describe(self) -> dict[str, Any]:
        pid = self.process.pid if self.process is not None and self.process.returncode is None else None
        return {
            "name": self.part.name,
            "state": self.state,
            "pid": pid,
            "restarts": self.restarts,
            "once": self.part.once,
            "failure": self.failure,
            "log": str(self.paths.log(self.part.name)),
        }

    def _log(self) -> BinaryIO:
        target = self.paths.log(self.part.name)
        if target.exists() and target.stat().st_size > LOG_LIMIT:
            target.replace(target.with_suffix(".log.1"))
        return target.open("ab")

    async def spawn(self) -> None:
        inherited = {k: os.environ[k] for k in ("PATH", "HOME", "LANG", "TMPDIR") if k in os.environ}
        environment = {**inherited, "NDX_STACK_DIR": str(self.paths.home), **self.part.env}
        sink = self._log()
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.part.command,
                cwd="/" if self.part.user else str(ROOT),
                env=environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                user=self.part.user,
            )
        finally:
            sink.close()

    async def _port_open(self) -> bool:
        if self.part.ready_port is None:
            return True
        try:
            _, writer = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", self.part.ready_port), timeout=2
            )
        except (OSError, TimeoutError):
            return False
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def keep(self) -> None:
        """Start, wait until ready, watch, restart; a `once` part runs until it has ended well."""
        attempt = 0
        while self.wanted:
            self.state = "STARTING"
            await self.spawn()
            process = self.process
            if process is None:
                raise RuntimeError("no process after spawn")
            started = time.monotonic()
            if self.part.once:
                code = await process.wait()
                if code == 0:
                    self.state = "DONE"
                    self.ready.set()
                    return
            else:
                code = await self._until_ended(process, started)
                self.ready.clear()
            if not self.wanted:
                break
            self.state = "FAILED"
            self.failure = f"ended with code {code}"
            if time.monotonic() - started > 30:  # noqa: PLR2004 - seconds after which a start counts as good
                attempt = 0
            await asyncio.sleep(BACKOFF[min(attempt, len(BACKOFF) - 1)])
            attempt += 1
            self.restarts += 1
        self.state = "STOPPED"

    async def _until_ended(self, process: asyncio.subprocess.Process, started: float) -> int:
        ended = asyncio.ensure_future(process.wait())
        while not ended.done():
            if not self.ready.is_set():
                if await self._port_open() and not ended.done():
                    self.state = "UP"
                    self.failure = ""
                    self.ready.set()
                elif time.monotonic() - started > READY_SECONDS:
                    self.failure = f"was not ready after {READY_SECONDS:.0f} s"
                    self.signal(signal.SIGKILL)
                await asyncio.wait([ended], timeout=0.05)
            else:
                await asyncio.wait([ended])
        return ended.result()

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    async def stop(self) -> None:
        self.wanted = False
        process = self.process
        if process is None or process.returncode is not None:
            return
        self.signal(getattr(signal, f"SIG{self.part.signal}"))
        try:
            await asyncio.wait_for(process.wait(), timeout=15)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await process.wait()


class Supervisor:
    """All parts of one stack."""

    def __init__(self, paths: StackPaths, parts: list[Part]) -> None:
        self.paths = paths
        self.running = {part.name: Running(part, paths) for part in parts}
        self.tasks: dict[str, asyncio.Task[None]] = {}
        self.finish = asyncio.Event()

    async def run(self) -> None:
        """Serve commands until told to go down."""
        self.paths.socket.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(self._serve, path=str(self.paths.socket))
        self.paths.socket.chmod(0o600)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.finish.set)
        for name, running in self.running.items():
            self.tasks[name] = asyncio.create_task(self._begin(running))
        await self.finish.wait()
        await self._down()
        server.close()
        self.paths.socket.unlink(missing_ok=True)

    async def _begin(self, running: Running) -> None:
        for name in running.part.after:
            if name in self.running:
                await self.running[name].ready.wait()
        await running.keep()

    async def _down(self) -> None:
        for name in reversed(list(self.running)):
            running = self.running[name]
            running.wanted = False
            if running.state == "WAITING" or running.process is None:
                self.tasks[name].cancel()
        # Services first, all at once; then what they stand on, one after the other.
        base = ("postgres", "kafka")
        await asyncio.gather(*(r.stop() for n, r in self.running.items() if n not in base))
        for name in base:
            if name in self.running:
                await self.running[name].stop()
        for task in self.tasks.values():
            task.cancel()
        await asyncio.gather(*self.tasks.values(), return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            command = json.loads(await reader.readline())
            answer = await self._obey(command)
        except (ValueError, KeyError) as error:
            answer = {"error": f"{type(error).__name__}"}
        writer.write(json.dumps(answer).encode() + b"\n")
        with contextlib.suppress(OSError):
            await writer.drain()
            writer.close()

    async def _obey(self, command: dict[str, Any]) -> dict[str, Any]:
        verb = command["do"]
        if verb == "down":
            self.finish.set()
        elif verb in {"stop", "start", "kill"}:
            running = self.running[command["part"]]
            if verb == "kill":
                running.signal(int(command.get("signal", signal.SIGKILL)))
            elif verb == "stop":
                await running.stop()
                running.ready.clear()
            elif self.tasks[running.part.name].done():
                running.wanted = True
                self.tasks[running.part.name] = asyncio.create_task(running.keep())
        return {"parts": [r.describe() for r in self.running.values()]}


def main() -> None:
    """Run the supervisor of the stack named on the command line."""
    paths = StackPaths(sys.argv[1])
    parts = [Part(**item) for item in json.loads(Path(sys.argv[2]).read_text())]
    asyncio.run(Supervisor(paths, parts).run())


if __name__ == "__main__":
    main()
