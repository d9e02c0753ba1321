"""What the rooms of the walk share: the parties' doors, and a step whose outcome is checked."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from ndx_demo.door import Door, StepFailed
from ndx_demo.enrolment import Enrolment

WAIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what was asked, what came back, how long it took, where to look."""

    number: int
    title: str
    asked: str
    status: int
    outcome: str
    milliseconds: float
    look: str = ""


@dataclass(slots=True)
class WalkResult:
    """What a walk leaves behind."""

    steps: list[Step] = field(default_factory=list)
    child_personal_id: str = ""
    birth_id: str = ""
    trace_id: str = ""
    disclosure_ids: list[str] = field(default_factory=list)
    ledger_bundle: Path | None = None
    ledger_key: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """Where to walk: the stack's doors, its folder, and who is enrolled."""

    gateway_url: str
    citizen_url: str
    trace_url: str
    home: Path
    enrolment: Enrolment
    report: Callable[[Step], None] = lambda _: None

    @property
    def ca(self) -> Path:
        """Return the authority that the gateway's own certificate comes from."""
        return self.enrolment.operators["NDX-an"].ca


class Walk:
    """Runs the steps; every result is checked, so that a wrong answer fails the walk."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.result = WalkResult()
        self._doors: dict[str, Door] = {}
        self.run_id = uuid4().hex[:8]

    def door(self, name: str) -> Door:
        """Return the way of a system (`X26740/one-stop`) or operator (`NDX-an`)."""
        if name not in self._doors:
            found = self.context.enrolment
            c = found.systems[name] if "/" in name else found.operators[name]
            self._doors[name] = Door(self.context.gateway_url, c.certificate, c.key, c.ca)
        return self._doors[name]

    def close(self) -> None:
        """Close all doors."""
        for door in self._doors.values():
            door.close()

    def step(
        self,
        title: str,
        asked: str,
        act: Callable[[], httpx.Response],
        *,
        expect: int,
        outcome: Callable[[dict[str, Any]], str],
        look: str = "",
        until: Callable[[dict[str, Any]], bool] | None = None,
    ) -> dict[str, Any]:
        """Do one step; with `until`, again until the answer shows the effect of an event.

        Raises:
            StepFailed: the answer is another one than the walk expects.
        """
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            started = time.perf_counter()
            reply = act()
            elapsed = (time.perf_counter() - started) * 1000
            body = _json(reply)
            good = reply.status_code == expect and (until is None or until(body))
            if good or until is None or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if not good:
            words = json.dumps(body, ensure_ascii=False)[:400]
            raise StepFailed(f"{title}: {asked} answered {reply.status_code}, expected {expect}: {words}")
        number = len(self.result.steps) + 1
        done = Step(number, title, asked, reply.status_code, outcome(body), elapsed, look)
        self.result.steps.append(done)
        self.context.report(done)
        return body


def mask(personal_id: object) -> str:
    """Show enough of a number to tell two apart."""
    text = str(personal_id or "")
    return f"{text[:3]}*******{text[-2:]}" if text else "none yet"


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {"items": body}
