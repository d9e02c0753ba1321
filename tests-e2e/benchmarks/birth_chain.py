"""`birth-chain`: birth → number → insurance and tax linked, at the rate that the civil registry answers.

The times of the links are read from the services' own tables afterwards, so nothing polls during the load.
"""

import asyncio
import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from harness import Result, request, result, timed
from ndx_demo import walk
from system import System

ROUNDS, SECONDS, CONNECTIONS = 3, 8.0, 16
PREPARED = 30_000
DRAIN_SECONDS = 120
_LETTERS = str.maketrans("0123456789", "ghijklmnop")


def birth(count: int) -> bytes:
    mark = uuid4().hex[:8].translate(_LETTERS)
    body = walk.birth_of(
        given=f"Tải {mark}",
        sex="MALE" if count % 2 else "FEMALE",
        born=date(2024, 1, 1) + timedelta(days=count % 600),
        mother=("", f"Mẹ Thị {mark}"),
        father=None,
    )
    headers = {"NDX-Purpose": "CIVIL_REGISTRATION", "Idempotency-Key": uuid4().hex}
    sent = json.dumps(body, ensure_ascii=False).encode()
    return request("POST", "/civil-registry/v1/births", headers, sent)


async def _moments(system: System, since: datetime) -> list[dict[str, datetime]]:
    """Return, per birth since then, when it was registered and when each link was live."""
    births = await system.rows(
        "civil-registry",
        "SELECT personal_id, registered_at FROM births WHERE registered_at >= $1 AND personal_id IS NOT NULL",
        since,
    )
    found: dict[str, dict[str, Any]] = {r["personal_id"]: {"registered": r["registered_at"]} for r in births}
    numbers = list(found)
    insured = await system.rows(
        "insurance",
        "SELECT p.personal_id, e.opened_at AS at FROM entitlements e JOIN participants p"
        " ON p.id = e.participant_id WHERE p.personal_id = ANY ($1)",
        numbers,
    )
    taxed = await system.rows(
        "tax",
        "SELECT personal_id, registered_at AS at FROM dependants WHERE personal_id = ANY ($1)",
        numbers,
    )
    for name, rows in (("insurance", insured), ("tax", taxed)):
        for row in rows:
            found[row["personal_id"]][name] = row["at"]
    return list(found.values())


def linked(system: System, since: datetime) -> tuple[list[float], int]:
    """Wait for the links of all births; return milliseconds until the later one, and how many are missing."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        moments = asyncio.run(_moments(system, since))
        missing = [m for m in moments if "insurance" not in m or "tax" not in m]
        if not missing or time.monotonic() > deadline:
            break
        time.sleep(0.5)
    return [
        (max(m["insurance"], m["tax"]) - m["registered"]).total_seconds() * 1000
        for m in moments
        if m not in missing
    ], len(missing)


def measure(system: System) -> list[Result]:
    births = [birth(n) for n in range(PREPARED)]
    parts = ("envoy", "civil-registry", "population", "insurance", "tax", "identity", "postgres", "kafka")
    load = system.through_gateway("X26740/one-stop", births, *parts, once=True)
    _, used = load.run(connections=CONNECTIONS, seconds=1, warmup=3)
    linked(system, datetime.now(UTC) - timedelta(seconds=10))
    rounds, links = [], []
    for _ in range(ROUNDS):
        since = datetime.now(UTC)
        made, used = load.run(connections=CONNECTIONS, seconds=SECONDS, skip=used, warmup=0)
        took, missing = linked(system, since)
        made.errors += missing
        rounds.append(made)
        links.append(timed(len(took) / SECONDS, took, missing))
    words = f"through the gateway, {CONNECTIONS} connections, all consumers running, all on the same cores"
    return [
        result("birth-chain", "births/s", rounds, f"a birth answered with its number; {words}"),
        result(
            "birth-links",
            "births/s",
            links,
            f"time from registration until insurance and tax both have their link; {words}",
        ),
    ]
