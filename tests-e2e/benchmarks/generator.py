"""Load generator, a process of its own: `python generator.py JOBS.json` sends requests and says what came.

A job is one server with what it is asked; several take turns, as short as a fraction of a second, so that the
machine's noise hits all of them alike. One thread, epoll, TLS by the standard library, requests prepared as
bytes: about 10 µs of CPU per request, so that it is cheaper than anything it loads. It samples the CPU time
of the processes that it is told to watch at both ends of each turn: handshakes and start-up do not count.

Closed loop: each connection sends its next request when the answer is in. With `rate` the loop is open:
requests are due at fixed times, and latency counts from then, so a stalled server cannot hide its queue.
"""

import contextlib
import ctypes
import json
import os
import select
import socket
import ssl
import sys
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SEPARATOR, GROUP_SEPARATOR = b"\0", b"\0\0"
"""Between requests, and between the requests of one caller and the next."""
_PR_SET_TIMERSLACK = 29
_LATE = 10.0
"""Seconds without any answer after which the generator gives up."""


@dataclass(slots=True, eq=False)
class Connection:
    """One keep-alive connection and the request that is on its way."""

    caller: int
    link: ssl.SSLSocket
    due: float = 0.0
    got: bytes = b""


def cpu_seconds(pid: int) -> float:
    """Return the CPU time of a process and its children that run, in nanoseconds' precision."""
    total = 0.0
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                total += int((task / "schedstat").read_text().split()[0]) / 1e9
                total += sum(map(cpu_seconds, map(int, (task / "children").read_text().split())))
    return total


def complete(data: bytes) -> bool:
    """Tell whether a whole answer is there; every server here says the length of what it sends."""
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = data[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        if b"\r\ntransfer-encoding: chunked" in head:
            return data.endswith(b"\r\n0\r\n\r\n")
        return True
    until = head.find(b"\r\n", at + 2)
    return len(data) >= end + 4 + int(head[at + 17 : until if until > 0 else end])


@dataclass
class Generator:
    """Runs one job."""

    job: dict[str, Any]
    statuses: Counter[str] = field(default_factory=Counter)
    took: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    """Of each request sent at a fixed time, how long after that it went out."""
    connections: dict[int, Connection] = field(default_factory=dict)
    broken: int = 0

    def __post_init__(self) -> None:
        raw = Path(self.job["requests"]).read_bytes()
        self.groups = [group.split(SEPARATOR) for group in raw.split(GROUP_SEPARATOR)]
        self.once = bool(self.job.get("once"))
        self.next = [int(self.job.get("skip", 0))] * len(self.groups)
        self.contexts = []
        for certificate, key in self.job["callers"]:
            context = ssl.create_default_context(cafile=self.job["ca"])
            context.load_cert_chain(certificate, key)
            self.contexts.append(context)
        self.epoll = select.epoll()

    def open(self, caller: int) -> Connection:
        plain = socket.create_connection((self.job.get("host", "127.0.0.1"), self.job["port"]), timeout=10)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        link = self.contexts[caller % len(self.contexts)].wrap_socket(
            plain, server_hostname=self.job.get("name", "localhost")
        )
        link.settimeout(0)
        made = Connection(caller, link)
        self.connections[link.fileno()] = made
        self.epoll.register(link.fileno(), select.EPOLLIN)
        return made

    def reopen(self, broken: Connection) -> Connection:
        """Replace a connection that the server closed before or while it answered."""
        self.broken += 1
        number = broken.link.fileno()
        self.epoll.unregister(number)
        del self.connections[number]
        broken.link.close()
        return self.open(broken.caller)

    def send(self, connection: Connection, due: float) -> bool:
        """Send the next request; False when there is none left."""
        group = connection.caller % len(self.groups)
        at = self.next[group]
        if at >= len(self.groups[group]):
            if self.once:
                return False
            at = 0
        connection.due = due
        connection.got = b""
        self.next[group] = at + 1
        connection.link.send(self.groups[group][at])
        return True

    def receive(self, number: int) -> Connection | None:
        """Read; return the connection when its answer is complete, or it had to be opened anew."""
        connection = self.connections[number]
        try:
            data = connection.link.recv(65536)
        except ssl.SSLWantReadError:
            return None
        except (ssl.SSLError, OSError):
            data = b""
        if not data:
            return self.reopen(connection)
        if connection.got:
            data = connection.got + data
        if not complete(data):
            connection.got = data
            return None
        self.statuses[data[9:12].decode("ascii", "replace")] += 1
        self.took.append(time.perf_counter() - connection.due)
        return connection

    def wait(self, seconds: float) -> list[tuple[int, int]]:
        """Wait for answers; epoll itself knows only whole milliseconds."""
        if seconds >= 0.001:
            return self.epoll.poll(seconds)
        if seconds > 0:
            select.select([self.epoll.fileno()], [], [], seconds)
        return self.epoll.poll(0)

    def closed(self, seconds: float) -> float:
        """Keep every connection busy; return how long it took."""
        now = time.perf_counter
        started = now()
        until = started + seconds
        for connection in list(self.connections.values()):
            self.send(connection, now())
        busy = len(self.connections)
        while busy:
            found = self.epoll.poll(_LATE)
            if not found:
                raise SystemExit(f"no answer for {_LATE:g} s")
            for number, _ in found:
                answered = self.receive(number)
                if answered is None:
                    continue
                moment = now()
                if moment >= until or not self.send(answered, moment):
                    busy -= 1
        return now() - started

    def paced(self, seconds: float, rate: float) -> float:
        """Send at fixed times over whichever connection is free; return how long it took."""
        now = time.perf_counter
        started = now()
        total, sent, step = int(seconds * rate), 0, 1 / rate
        idle = deque(self.connections.values())
        count = len(idle)
        ends = started + seconds if self.job.get("keep") else float("inf")
        while sent < total or len(idle) < count:
            if now() > ends and sent < total:
                # The next turn has its time; what was not sent is seen by its number.
                total = sent
                continue
            due = started + sent * step
            while sent < total and idle and due <= now():
                if not self.send(idle.popleft(), due):
                    total = sent
                    break
                self.late.append(now() - due)
                sent += 1
                due = started + sent * step
            pause = due - now() if sent < total and idle else _LATE
            found = self.wait(max(0.0, pause))
            if not found and pause == _LATE:
                raise SystemExit(f"no answer for {_LATE:g} s")
            for number, _ in found:
                connection = self.receive(number)
                if connection is not None:
                    idle.append(connection)
        return now() - started

    def stretch(self, seconds: float) -> float:
        rate = self.job.get("rate")
        return self.paced(seconds, float(rate)) if rate else self.closed(seconds)

    def connect(self) -> None:
        """Open all connections, and use them for the warm-up."""
        for caller in range(self.job["connections"]):
            self.open(caller)
        if self.job.get("warmup"):
            self.stretch(float(self.job["warmup"]))

    def run(self) -> dict[str, Any]:
        """Run one measured stretch, after one that is not measured where the job has a lead."""
        if self.job.get("lead"):
            self.stretch(float(self.job["lead"]))
        self.statuses.clear()
        self.took.clear()
        self.late.clear()
        self.broken = 0
        watched: dict[str, list[int]] = self.job.get("watch", {})
        before = {name: sum(map(cpu_seconds, pids)) for name, pids in watched.items()}
        own, at = time.process_time(), time.time()
        elapsed = self.stretch(float(self.job["seconds"]))
        own = time.process_time() - own
        after = {name: sum(map(cpu_seconds, pids)) for name, pids in watched.items()}
        self.took.sort()
        count = max(1, len(self.took))
        return {
            "requests": len(self.took),
            "seconds": elapsed,
            "per_second": len(self.took) / elapsed,
            **{f"p{p}_ms": self._percentile(p) for p in (50, 95, 99)},
            **(
                {"took": list(self.took), "late": sorted(self.late), "began": at, "ended": at + elapsed}
                if self.job.get("keep")
                else {}
            ),
            "errors": self.broken + sum(n for s, n in self.statuses.items() if not s.startswith("2")),
            "statuses": dict(self.statuses),
            "broken": self.broken,
            "sent": self.next[0],
            "generator_us": own / count * 1e6,
            "generator_busy": own / elapsed,
            "cpu_us": {name: (after[name] - before[name]) / count * 1e6 for name in watched},
            "busy": {name: (after[name] - before[name]) / elapsed for name in watched},
        }

    def _percentile(self, share: int) -> float:
        if not self.took:
            return 0.0
        return self.took[min(len(self.took) - 1, len(self.took) * share // 100)] * 1000


def main() -> int:
    document = json.loads(Path(sys.argv[1]).read_text())
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    if document["cpus"]:
        os.sched_setaffinity(0, document["cpus"])
    if document.get("urgent"):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    generators = [Generator(job) for job in document["jobs"]]
    for generator in generators:
        generator.connect()
    found = []
    for turn, number in enumerate(document["turns"]):
        if "begin" in document:
            # Several generators keep step by the clock.
            time.sleep(max(0.0, document["begin"] + turn * document["every"] - time.time()))
        found.append(generators[number].run())
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
