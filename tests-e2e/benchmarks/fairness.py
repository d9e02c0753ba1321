"""`fairness`: one agency asks twenty times its quota; the others' p99 beside what it is without that agency.

The others send at a fixed rate, each second a part of what Envoy could do, so that latency is theirs and not
a queue's. Both generators and the provider share the core that Envoy has not, so that the flood's generator
alone delays the others: in the stretches without it the same flood goes past Envoy, to the provider itself.
"""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import nginx
from bus import CALLERS, Bus, Ground, agreements_of, code, ground, requests_of, running_bus
from gateway_proxy import provider
from harness import BACK, Load, Result, Round, result
from ndx_contracts.agreements import Quotas

AGENCIES, ROUNDS, SECONDS = 300, 10, 3.0
RATE, CONNECTIONS = 400.0, 16
PER_SECOND = 50
FLOOD_RATE = 20.0 * PER_SECOND
FLOODER = 1


def _flood(shared: Ground, bus: Bus) -> Load:
    """Return the load of the agency that asks too much, all of it under one agreement."""
    one = {grant.operation for grant in agreements_of(FLOODER)[0].operations}
    asked = [r for r in requests_of(FLOODER) if _operation(r) in one]
    return replace(
        bus.load,
        callers=[shared.pki.client(f"urn:ndx:agency:{code(FLOODER)}:core")],
        requests=[asked],
        watch={},
    )


def _operation(sent: bytes) -> str:
    service, kind = sent.split(b" ")[1].decode().split("/")[1::2][:2]
    return f"{service}.read_{kind.replace('-', '_')}"


@contextlib.contextmanager
def _flooding(flood: Load) -> Iterator[None]:
    """Flood from a process of its own, from before the others begin until after they end."""
    running = threading.Thread(
        target=lambda: flood.run(connections=8, seconds=SECONDS + 2.0, warmup=0, rate=FLOOD_RATE)
    )
    running.start()
    try:
        threading.Event().wait(0.8)
        yield
    finally:
        running.join()


def _round(others: Load, flood: Load, elsewhere: Load) -> Round:
    with _flooding(elsewhere):
        alone, _ = others.run(connections=CONNECTIONS, seconds=SECONDS, rate=RATE)
    with _flooding(flood):
        beside, _ = others.run(connections=CONNECTIONS, seconds=SECONDS, rate=RATE)
    beside.value, beside.ceiling = beside.p99_ms or 0.0, alone.p99_ms
    return beside


async def _measure() -> list[Result]:
    shared = ground()
    shared.quotas[FLOODER] = Quotas(per_second=PER_SECOND, burst=2 * PER_SECOND, per_day=1_000_000_000)
    async with AsyncExitStack() as stack:
        place = shared.folder
        stack.enter_context(
            nginx.running(place, "provider", provider(place, shared), shared.ports.provider, BACK)
        )
        bus = await stack.enter_async_context(running_bus(shared, "fairness", agencies=AGENCIES))
        flood = _flood(shared, bus)
        elsewhere = replace(shared.direct(AGENCIES), watch={})
        rounds = [await asyncio.to_thread(_round, bus.load, flood, elsewhere) for _ in range(ROUNDS)]
    words = (
        f"{CALLERS} of {AGENCIES} agencies send {RATE:g} calls/s in all, one more {FLOOD_RATE:g}/s with a"
        f" quota of {PER_SECOND}/s; {SECONDS:g} s each through"
        " Envoy and past it in turns, open loop, one core for Envoy"
    )
    return [
        result("fairness", "ms p99 of the others", rounds, words, ceiling="p99 with the flood past Envoy")
    ]


def measure() -> list[Result]:
    return asyncio.run(_measure())
