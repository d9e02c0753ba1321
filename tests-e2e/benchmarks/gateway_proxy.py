"""`gateway-proxy`: Envoy on one core with the real compiled configuration; the ceiling is nginx on that core.

Servers take turns on the first core; provider (nginx) and load generator share the other. Which of them is
the bottleneck is measured: the watched part's share of its core is in every round. What a configuration of
more agencies costs is compared between the same callers with the same calls on as many connections, in
turns of changing order; the median of the pairs' ratios stands beside what luck could have made of them.

Then the servers are asked at half load, at fixed times, and they, provider and generator go before all other
programs where the system allows that: so CPU time per call and the time that Envoy adds are Envoy's own,
not a crowded machine's. That time is told by the callers' clock, beside direct calls, and by Envoy's log.

`NDX_ROUNDS=4 make bench B=gateway-proxy` is shorter and says less.
"""

import asyncio
import os
import random
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import nginx
import samples
from bus import CALLERS, SERVICES, Bus, Change, Documents, Ground, ground, routes_in, running_bus
from gateway.xds import protos
from harness import (
    BACK,
    FRONT,
    Load,
    Result,
    Round,
    Told,
    by_the_clock,
    in_turns,
    median,
    percentile,
    result,
    urgent,
)
from own_time import FLUSHED, Times, in_microseconds, read_times

ROUNDS = int(os.environ.get("NDX_ROUNDS", "10"))
TURN_SECONDS, LEAD, CONNECTIONS, FEW = 0.7, 0.15, 32, 10
"""Shorter turns measure cold caches: of five servers on one core, an Envoy took 208 µs a request in turns of
0.2 s and 149 µs in turns of 2 s, nginx, which needs less memory, 30 and 26."""
PACED_SECONDS, GAP = 0.9, 0.15
SETUP = (
    "mutual TLS on both sides, keep-alive, GET, 1 KB reply, one core for Envoy, generator and provider on the"
    f" other, {CONNECTIONS} connections"
)
EVERYTHING = "stop, agency and agreement filters, burst and daily quota, JSON access log, 10 % traced"


def bare(found: Documents) -> None:
    """Leave a proxy that does nothing but TLS on both sides."""
    del found[protos.ECDS]
    for listener in found[protos.LDS].values():
        manager = listener["filter_chains"][0]["filters"][-1]["typed_config"]
        for duty in ("access_log", "tracing", "local_reply_config", "early_header_mutation_extensions"):
            manager.pop(duty, None)
        manager["http_filters"] = manager["http_filters"][-1:]
        del listener["filter_chains"][0]["filters"][:-1]
    for routes in found[protos.RDS].values():
        for host in routes["virtual_hosts"]:
            host.pop("request_headers_to_add", None)
            for route in routes_in(host["matcher"]):
                for duty in ("typed_per_filter_config", "request_headers_to_add", "decorator"):
                    route.pop(duty, None)


def provider(folder: Path, ground: Ground) -> str:
    tls = ground.pair("services", "internal-ca")
    return nginx.provider(folder, tls, port=ground.ports.provider, spans_port=ground.ports.spans)


def ceiling(folder: Path, ground: Ground) -> str:
    return nginx.ceiling(
        folder,
        ground.pair("gateway-public", "agency-ca"),
        ground.pair("gateway-client", "internal-ca"),
        port=ground.ports.ceiling,
        provider_port=ground.ports.provider,
        provider_name=f"{SERVICES[0]}.ndx.internal",
    )


async def turns(loads: Sequence[Load], order: Sequence[int], **how: Any) -> list[Round]:
    """Let servers take turns while this process goes on serving the configurations."""
    return await asyncio.to_thread(in_turns, loads, order, connections=CONNECTIONS, **how)


@dataclass(frozen=True, slots=True)
class Variant:
    """What is asked: a configuration, and by how many different callers."""

    name: str
    agencies: int
    callers: int
    words: str = EVERYTHING
    change: Change | None = None

    @property
    def bus(self) -> str:
        return f"{self.agencies}-bare" if self.change else str(self.agencies)


WHOLE = Variant("gateway-proxy", 300, CALLERS)
TEN, HUNDREDS, THOUSANDS = (Variant(f"gateway-proxy-{n}", n, FEW) for n in (10, 300, 3000))
THOUSANDS_BY_MORE = Variant("gateway-proxy-3000-by-32", 3000, CALLERS)
BARE = Variant(
    "gateway-proxy-bare", 300, CALLERS, "TLS on both sides and the same routes, nothing else", bare
)
VARIANTS = (WHOLE, TEN, HUNDREDS, THOUSANDS, THOUSANDS_BY_MORE, BARE)
SCALE = ((THOUSANDS, TEN), (THOUSANDS, HUNDREDS), (THOUSANDS_BY_MORE, WHOLE))


async def _rounds(buses: dict[str, Bus], shared: Ground, pid: int) -> dict[str, list[Round]]:
    """Let nginx and every Envoy take turns, in each round in another order."""
    luck = random.Random(7)
    loads = [shared.load(shared.ports.ceiling, CALLERS, nginx=[pid])]
    for variant in VARIANTS:
        bus = buses[variant.bus]
        loads.append(shared.load(bus.port, variant.callers, envoy=[bus.envoy.process.pid]))
    order = [n for _ in range(ROUNDS) for n in luck.sample(range(len(loads)), len(loads))]
    seen = await turns(loads, order, seconds=TURN_SECONDS, lead=LEAD)
    of: list[list[Round]] = [[] for _ in loads]
    for which, made in zip(order, seen, strict=True):
        of[which].append(made)
    for made, beside in ((m, b) for mine in of[1:] for m, b in zip(mine, of[0], strict=True)):
        made.ceiling, made.ceiling_cpu_us = beside.value, beside.cpu_us
    return {variant.name: of[n] for n, variant in enumerate(VARIANTS, 1)}


@dataclass(frozen=True, slots=True)
class Paced:
    """What came of the turns at a fixed rate."""

    direct: list[Told]
    """Calls to the provider itself."""
    through: list[Told]
    """Calls through the Envoy that tells its own time."""
    of: dict[str, list[Told]]
    """Calls through the Envoy of each variant."""
    own: list[Times]
    rate: float
    first: bool
    """Whether all of this went before other programs."""


async def _paced(
    buses: dict[str, Bus], told: Bus, log: Path, shared: Ground, rate: float, *, first: bool
) -> Paced:
    """Let servers take turns at half load, in each round in another order."""
    luck, compared = random.Random(8), [v for v in VARIANTS if v.change is None]
    loads = [replace(shared.direct(CALLERS), watch={}), told.load]
    for variant in compared:
        bus = buses[variant.bus]
        loads.append(shared.load(bus.port, variant.callers, envoy=[bus.envoy.process.pid]))
    order = [n for _ in range(ROUNDS) for n in luck.sample(range(len(loads)), len(loads))]
    every = PACED_SECONDS + GAP
    asked = partial(by_the_clock, loads, order, begin=time.time() + 4, every=every, urgent=first)
    found = await asyncio.to_thread(asked, seconds=PACED_SECONDS, connections=CONNECTIONS, rate=rate)
    await asyncio.sleep(FLUSHED)
    of: list[list[Told]] = [[] for _ in loads]
    for which, one in zip(order, found, strict=True):
        of[which].append(one)
    named = {variant.name: of[n] for n, variant in enumerate(compared, 2)}
    return Paced(of[0], of[1], named, read_times(log, of[1]), rate, first)


def _priority(paced: Paced) -> str:
    return f"{'with' if paced.first else 'without'} priority before all other programs"


def _scale(rounds: dict[str, list[Round]], paced: Paced) -> Result:
    """Compare configurations of more agencies with smaller ones, by requests and by CPU time."""
    labelled = []
    for large, small in SCALE:
        these, others = rounds[large.name], rounds[small.name]
        by_requests = samples.ratio([r.value for r in these], [r.value for r in others])
        slow, fast = ([t["cpu_us"]["envoy"] for t in paced.of[v.name]] for v in (large, small))
        # Requests per second of CPU time: the same comparison without the noise of other programs.
        by_cpu = samples.ratio(fast, slow)
        for how, spread in (("requests/s", by_requests), ("per CPU second at half load", by_cpu)):
            percent = samples.Spread(100 * spread.middle, 100 * spread.low, 100 * spread.high)
            words = f"{large.agencies:,} of {small.agencies}, {large.callers} callers, {how}"
            labelled.append(Round(percent.middle, label=f"{words}: {percent.words(1)}"))
    words = (
        f"what an Envoy with more agencies keeps of a smaller one's throughput, the same callers and calls;"
        f" medians of {ROUNDS} pairs of turns of {TURN_SECONDS:g} s, with 95 % by bootstrap; CPU time at"
        f" {paced.rate:,.0f}/s {_priority(paced)}; {SETUP}; {EVERYTHING}"
    )
    return result("gateway-proxy-scale", "% kept", labelled, words, value=labelled[0].value)


def _added(paced: Paced) -> Result:
    """Compare latency through Envoy with that of direct calls, at the same fixed rate, in turns."""
    labelled: dict[str, Round] = {}
    nothing = [0.0] * len(paced.direct)

    def tell(what: str, these: Sequence[float], others: Sequence[float]) -> None:
        spread = samples.difference(these, others)
        labelled[what] = Round(spread.middle * 1000, label=f"µs, {what}: {spread.words(3)} ms")

    for share in (0.5, 0.99):
        name = f"p{share * 100:g}"
        through, alone = (
            [percentile(one["took"], share) * 1000 for one in side] for side in (paced.through, paced.direct)
        )
        tell(f"{name} added by the callers' clock", through, alone)
        tell(f"{name} of a direct call", alone, nothing)
        tell(f"{name} in Envoy by its own log", [percentile(t.own, share) for t in paced.own], nothing)
        beyond = [percentile(t.beyond, share) for t in paced.own]
        tell(f"{name} beyond Envoy: provider, and until read", beyond, nothing)
    told = [*paced.direct, *paced.through]
    sent, due = sum(one["requests"] for one in told), len(told) * int(PACED_SECONDS * paced.rate)
    late = percentile([late for one in told for late in one["late"]], 0.99) * 1000
    busy = median(one["busy"]["envoy"] for one in paced.through)
    words = (
        f"added to a direct call at {paced.rate:,.0f}/s, half of what Envoy's CPU time per call allows, open"
        f" loop; {len(paced.through)} turns of {PACED_SECONDS:g} s each way, medians of the turns'"
        f" percentiles with 95 % by bootstrap; Envoy busy {busy:.2f} of its core; calls went out"
        f" {late:.2f} ms late at p99, {max(0.0, 1 - sent / due):.1%} not at all;"
        f" {_priority(paced)}; {EVERYTHING}; {SETUP}"
    )
    clock = labelled["p99 added by the callers' clock"]
    clock.errors = sum(one["errors"] for one in told)
    rounds = list(labelled.values())
    return result("gateway-proxy-added", "µs p99 by the callers' clock", rounds, words, value=clock.value)


def _by_cpu(name: str, rounds: list[Round], words: str) -> Result:
    """Return requests per second of CPU time: the same comparison without the noise of other programs."""
    own = [
        Round(
            1e6 / r.cpu_us["envoy"],
            ceiling=1e6 / r.ceiling_cpu_us["nginx"],
            cpu_us=r.cpu_us,
            ceiling_cpu_us=r.ceiling_cpu_us,
        )
        for r in rounds
    ]
    return result(name, "requests per CPU second", own, words, ceiling="nginx per CPU second")


async def _measure() -> list[Result]:
    shared = ground()
    async with AsyncExitStack() as stack:
        place = shared.folder
        provider_pid = stack.enter_context(
            nginx.running(place, "provider", provider(place, shared), shared.ports.provider, BACK)
        )
        pid = stack.enter_context(
            nginx.running(place, "ceiling", ceiling(place, shared), shared.ports.ceiling, FRONT)
        )
        buses: dict[str, Bus] = {}
        for v in VARIANTS:
            if v.bus not in buses:
                running = running_bus(shared, v.bus, agencies=v.agencies, change=v.change)
                buses[v.bus] = await stack.enter_async_context(running)
        rounds = await _rounds(buses, shared, pid)
        told = await stack.enter_async_context(
            running_bus(shared, "told", agencies=300, change=in_microseconds)
        )
        half = 0.5e6 / (median(r.cpu_us["envoy"] for r in rounds[WHOLE.name]) or 1)
        servers = [provider_pid, told.envoy.process.pid, *(b.envoy.process.pid for b in buses.values())]
        paced = await _paced(buses, told, place / "told" / "access.log", shared, half, first=urgent(*servers))
    nginx_words = "nginx: mutual TLS, limit_req, JSON log"
    results = []
    for variant in VARIANTS:
        found = rounds[variant.name]
        words = (
            f"{variant.agencies:,} agencies with 20 of 150 operations each, {variant.callers} of them call;"
            f" {variant.words}; {SETUP}; configuration {buses[variant.bus].config_bytes / 1e6:.1f} MB"
        )
        results.append(result(variant.name, "requests/s", found, words, ceiling=nginx_words))
        results.append(_by_cpu(f"{variant.name}-cpu", found, words))
    return [*results, _scale(rounds, paced), _added(paced)]


def measure() -> list[Result]:
    return asyncio.run(_measure())
