"""`gateway-proxy`: Envoy on one core with the real compiled configuration; the ceiling is nginx on that core.

Envoy and nginx take turns on the first core; provider (nginx) and load generator share the other. Which of
them is the bottleneck is measured: the watched part's share of its core is in every round.
"""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nginx
from bus import SERVICES, Bus, Change, Documents, Ground, ground, routes_in, running_bus
from gateway.xds import protos
from harness import BACK, FRONT, Load, Result, Round, in_turns, mean, median, result

ROUNDS, TURNS, TURN_SECONDS, CONNECTIONS = 5, 2, 1.0, 32
"""Shorter turns measure cold caches: of five servers on one core, an Envoy took 208 µs a request in turns of
0.2 s and 149 µs in turns of 2 s, nginx, which needs less memory, 30 and 26."""
ADDED_SECONDS = 3.0
SETUP = (
    "mutual TLS on both sides, keep-alive, GET, 1 KB reply, one core for Envoy, generator and provider on the"
    f" other, {CONNECTIONS} connections of as many agencies"
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


@dataclass(frozen=True, slots=True)
class Variant:
    """One configuration to measure."""

    name: str
    agencies: int
    words: str
    change: Change | None = None


VARIANTS = (
    Variant("gateway-proxy", 300, f"300 agencies with 20 of 150 operations each; {EVERYTHING}"),
    Variant("gateway-proxy-10", 10, f"10 agencies; {EVERYTHING}"),
    Variant("gateway-proxy-3000", 3000, f"3,000 agencies; {EVERYTHING}"),
    Variant("gateway-proxy-bare", 300, "TLS on both sides and the same routes, nothing else", bare),
)


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


async def _rounds(buses: dict[str, Bus], top: Load) -> dict[str, list[Round]]:
    """Let nginx and every Envoy take turns; a round is the mean of many turns, nginx beside each."""
    found: dict[str, list[Round]] = {name: [] for name in buses}
    order = [n for number in range(1, len(buses) + 1) for n in (0, number)] * TURNS
    for _ in range(ROUNDS):
        seen = await turns([top, *(bus.load for bus in buses.values())], order, seconds=TURN_SECONDS)
        for number, name in enumerate(buses, 1):
            at = [n for n, which in enumerate(order) if which == number]
            made, beside = mean([seen[n] for n in at]), mean([seen[n - 1] for n in at])
            made.ceiling, made.ceiling_cpu_us = beside.value, beside.cpu_us
            found[name].append(made)
    return found


async def _added(bus: Bus, direct: Load, rate: float) -> list[Round]:
    """Compare latency through Envoy with that of direct calls, at the same fixed rate, in turns."""
    found = []
    for _ in range(ROUNDS):
        alone, through = await turns([direct, bus.load], [0, 1], seconds=ADDED_SECONDS, rate=rate)
        p50, p95, p99 = (
            (a or 0) - (b or 0)
            for a, b in (
                (through.p50_ms, alone.p50_ms),
                (through.p95_ms, alone.p95_ms),
                (through.p99_ms, alone.p99_ms),
            )
        )
        errors = through.errors + alone.errors
        found.append(Round(through.value, p50, p95, p99, errors, busy=through.busy))
    return found


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
        stack.enter_context(
            nginx.running(place, "provider", provider(place, shared), shared.ports.provider, BACK)
        )
        pid = stack.enter_context(
            nginx.running(place, "ceiling", ceiling(place, shared), shared.ports.ceiling, FRONT)
        )
        buses = {
            v.name: await stack.enter_async_context(
                running_bus(shared, v.name, agencies=v.agencies, change=v.change)
            )
            for v in VARIANTS
        }
        top = shared.load(shared.ports.ceiling, VARIANTS[0].agencies, nginx=[pid])
        rounds = await _rounds(buses, top)
        half = (median(r.value for r in rounds["gateway-proxy"]) or 0) / 2
        added = await _added(buses["gateway-proxy"], shared.direct(300), half)
    nginx_words = "nginx: mutual TLS, limit_req, JSON log"
    results = []
    for variant in VARIANTS:
        found = rounds[variant.name]
        words = f"{variant.words}; {SETUP}; configuration {buses[variant.name].config_bytes / 1e6:.1f} MB"
        results.append(result(variant.name, "requests/s", found, words, ceiling=nginx_words))
        results.append(_by_cpu(f"{variant.name}-cpu", found, words))
    words = f"added to a direct call at half load, open loop; {EVERYTHING}; {SETUP}"
    return [*results, result("gateway-proxy-added", "requests/s", added, words)]


def measure() -> list[Result]:
    return asyncio.run(_measure())
