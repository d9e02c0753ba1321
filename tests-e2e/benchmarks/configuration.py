"""`configuration`: from an operator's request to its effect at a real Envoy, with 3,000 agencies.

A caller asks without pause; the time runs from the moment at which the operator's request is sent until the
first answer that shows the change. The operator's own calls go through the same Envoy.
"""

import http.client
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bus import OPERATIONS, agreements_of, code
from control_plane import ControlPlane, running_control_plane
from harness import Result, result, timed
from ndx_demo.enrolment import Credentials

AGENCIES, TRIALS, ROUNDS = 3000, 20, 3
_PAUSE = 0.001
"""Between two calls of the watching caller: how exactly an effect is dated."""


@dataclass
class Watcher:
    """A caller on one connection that notes when its answers change."""

    port: int
    caller: Credentials
    path: str
    purpose: str
    seen: list[tuple[float, int]] = field(default_factory=list)
    """Moment and status of the first answer and of each one that differs from the one before."""
    over: bool = False
    pause: float = _PAUSE

    def run(self) -> None:
        context = ssl.create_default_context(cafile=str(self.caller.ca))
        context.load_cert_chain(self.caller.certificate, self.caller.key)
        connection = http.client.HTTPSConnection("localhost", self.port, context=context, timeout=20)
        while not self.over:
            connection.request("GET", self.path, headers={"NDX-Purpose": self.purpose})
            answer = connection.getresponse()
            answer.read()
            if not self.seen or self.seen[-1][1] != answer.status:
                self.seen.append((time.perf_counter(), answer.status))
            time.sleep(self.pause)
        connection.close()

    def effect(self, act: Callable[[], None], status: int) -> float:
        """Act; return after how many milliseconds the status was seen."""
        started = time.perf_counter()
        act()
        while self.seen[-1][1] != status or self.seen[-1][0] < started:
            time.sleep(_PAUSE)
            if time.perf_counter() - started > 60:
                raise TimeoutError(f"no {status} within a minute")
        return (self.seen[-1][0] - started) * 1000


@dataclass
class Trial:
    """Milliseconds of each kind of change."""

    suspension: list[float] = field(default_factory=list)
    agency: list[float] = field(default_factory=list)
    change: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)


def _post(plane: ControlPlane, path: str) -> None:
    answer = plane.operator.post(path, {"reason": "measured"})
    answer.raise_for_status()


def _acknowledged(plane: ControlPlane, since: datetime) -> float:
    """Return the milliseconds from a moment until Envoy had acknowledged everything."""
    found = plane.settled()
    moments = [datetime.fromisoformat(e["up_to_date_since"]) for e in found["envoys"]]
    return (max(moments) - since).total_seconds() * 1000


def _round(plane: ControlPlane, watcher: Watcher, number: int) -> Trial:
    agreement = f"/v1/agreements/{agreements_of(number)[0].agreement_id}"
    agency = f"/v1/agencies/{code(number)}"
    made = Trial()
    for _ in range(TRIALS):
        made.suspension.append(watcher.effect(lambda: _post(plane, f"{agreement}/suspend"), 403))
        plane.settled()
        since = datetime.now(UTC)
        made.change.append(watcher.effect(lambda: _post(plane, f"{agreement}/resume"), 200))
        made.acknowledged.append(_acknowledged(plane, since))
        made.agency.append(watcher.effect(lambda: _post(plane, f"{agency}/suspend"), 403))
        plane.settled()
        watcher.effect(lambda: _post(plane, f"{agency}/reactivate"), 200)
        plane.settled()
    return made


def measure() -> list[Result]:
    number = AGENCIES // 2
    terms = agreements_of(number)[0]
    operation = next(o for o in OPERATIONS if o.name == terms.operations[0].operation)
    with running_control_plane(AGENCIES) as plane:
        watcher = Watcher(
            plane.ports["listener"],
            plane.enrol(number),
            operation.path.replace("{id}", "1"),
            terms.purposes[0].value,
        )
        plane.settled()
        thread = threading.Thread(target=watcher.run, daemon=True)
        thread.start()
        while not watcher.seen:
            time.sleep(_PAUSE)
        _round(plane, watcher, number)
        rounds = [_round(plane, watcher, number) for _ in range(ROUNDS)]
        watcher.over = True
        thread.join(20)
        memory = {part: plane.memory(part) for part in ("gateway", "envoy")}
    words = (
        f"{AGENCIES} agencies × {len(OPERATIONS)} operations (20 operations and 3 purposes each),"
        f" {ROUNDS} × {TRIALS} trials, all parts on the same cores, from the operator's request to the first"
        f" answer that shows it; control plane {memory['gateway']} MiB, Envoy {memory['envoy']} MiB"
    )
    kinds = {
        "suspension": "an agreement suspended until the first refusal",
        "agency": "an agency suspended until the first refusal",
        "change": "an agreement resumed until the first call passes: new routes",
        "acknowledged": "the same until Envoy's acknowledgement",
    }
    return [
        result(
            f"configuration-{kind}",
            "changes/s",
            [timed(1000 * len(getattr(r, kind)) / sum(getattr(r, kind)), getattr(r, kind)) for r in rounds],
            f"{what}; {words}",
        )
        for kind, what in kinds.items()
    ]
