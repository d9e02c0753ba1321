"""`gateway-profile`: what each duty of the gateway costs Envoy: CPU time per call with it less without it.

One Envoy has everything; each other lacks one thing. Every turn of one that lacks something stands beside a
turn of the whole, and the median of the differences is the figure, with what luck could have made of it. What
two duties share is in neither's. All are asked at the same fixed rate, with priority before other programs
where the system allows that. `NDX_ROUNDS=4 make bench B=gateway-profile` is shorter and says less.
"""

import asyncio
import os
import random
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any

import nginx
import samples
from bus import CALLERS, Bus, Change, Documents, Ground, ground, routes_in, running_bus
from gateway.xds import names, protos
from gateway_proxy import CONNECTIONS, EVERYTHING, SETUP, bare, ceiling, provider
from harness import BACK, FRONT, Result, Round, Told, by_the_clock, median, result, urgent

ROUNDS = int(os.environ.get("NDX_ROUNDS", "8"))
TURN_SECONDS, GAP, RATE, AGENCIES = 0.5, 0.1, 2000.0, 300


def manager(found: Documents) -> dict[str, Any]:
    """Return the connection manager of the agencies' door."""
    document: dict[str, Any] = found[protos.LDS]["agencies"]["filter_chains"][0]["filters"][-1][
        "typed_config"
    ]
    return document


def _routes(found: Documents) -> list[dict[str, Any]]:
    hosts = [host for routes in found[protos.RDS].values() for host in routes["virtual_hosts"]]
    return [*hosts, *(route for host in hosts for route in routes_in(host["matcher"]))]


def _without(*keys: str) -> Change:
    """Leave out fields of the connection manager."""

    def change(found: Documents) -> None:
        for key in keys:
            manager(found).pop(key)

    return change


def _without_filter(name: str) -> Change:
    def change(found: Documents) -> None:
        filters = manager(found)["http_filters"]
        manager(found)["http_filters"] = [f for f in filters if f["name"] != name]
        found[protos.ECDS].pop(name, None)
        for route in _routes(found):
            route.get("typed_per_filter_config", {}).pop(name, None)

    return change


def _without_filters(*filters: str) -> Change:
    def change(found: Documents) -> None:
        for name in filters:
            _without_filter(name)(found)

    return change


def _without_in_routes(*keys: str) -> Change:
    def change(found: Documents) -> None:
        for route in _routes(found):
            for key in keys:
                route.pop(key, None)

    return change


def _untraced(found: Documents) -> None:
    manager(found)["tracing"]["random_sampling"] = {"value": 0}


def _without_tracing_of(key: str) -> Change:
    def change(found: Documents) -> None:
        manager(found)["tracing"].pop(key)

    return change


def _without_system_names(found: Documents) -> None:
    rbac = found[protos.ECDS][names.AGENCY_FILTER]["typed_config"]
    for key in ("shadow_matcher", "shadow_rules_stat_prefix"):
        rbac.pop(key)


def _plain_upstream(found: Documents) -> None:
    for cluster in found[protos.CDS].values():
        if cluster.pop("transport_socket", None):
            (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
            endpoint["endpoint"]["address"] = found[protos.CDS]["zipkin"]["load_assignment"]["endpoints"][0][
                "lb_endpoints"
            ][0]["endpoint"]["address"]


@dataclass(frozen=True, slots=True)
class Duty:
    """Something that can be left out."""

    name: str
    without: Change


DUTIES = (
    Duty("access log", _without("access_log")),
    Duty("tracing, all of it", _without("tracing")),
    Duty("tracing: the 10 % that are sent", _untraced),
    Duty("tracing: tags", _without_tracing_of("custom_tags")),
    Duty("stop filter", _without_filter(names.STOP_FILTER)),
    Duty("agency filter", _without_filter(names.AGENCY_FILTER)),
    Duty("agency filter: name of the system", _without_system_names),
    Duty("agreement filter", _without_filter(names.AGREEMENT_FILTER)),
    Duty("burst quota", _without_filter(names.BURST_FILTER)),
    Duty("quota by day and month", _without_filters(names.QUOTA_KEY_FILTER, names.QUOTA_FILTER)),
    Duty("request id unless given", _without_filter("ndx.request-id")),
    Duty("trace and request id in the reply", _without_filter("ndx.trace")),
    Duty("caller's own NDX headers removed", _without("early_header_mutation_extensions")),
    Duty("limit of the body", _without_filter("ndx.buffer")),
    Duty("NDX headers to the provider", _without_in_routes("request_headers_to_add")),
    Duty("span names", _without_in_routes("decorator")),
    Duty("retries", _without_in_routes("retry_policy")),
    Duty(
        "path normalisation", _without("normalize_path", "merge_slashes", "path_with_escaped_slashes_action")
    ),
    Duty("timeouts", _without("stream_idle_timeout", "request_headers_timeout")),
    Duty("texts of refusals", _without("local_reply_config")),
    Duty("TLS to the provider", _plain_upstream),
    Duty("all of the above but TLS and routes", bare),
)


async def _measure() -> list[Result]:
    shared: Ground = ground()
    place = shared.folder
    async with AsyncExitStack() as stack:
        provider_pid = stack.enter_context(
            nginx.running(place, "provider", provider(place, shared), shared.ports.provider, BACK)
        )
        pid = stack.enter_context(
            nginx.running(place, "ceiling", ceiling(place, shared), shared.ports.ceiling, FRONT)
        )
        top = shared.load(shared.ports.ceiling, CALLERS, nginx=[pid])
        whole = await stack.enter_async_context(running_bus(shared, "whole", agencies=AGENCIES))
        buses: list[tuple[Duty, Bus]] = []
        for n, duty in enumerate(DUTIES):
            name = f"without-{n:02d}"
            bus = await stack.enter_async_context(
                running_bus(shared, name, agencies=AGENCIES, change=duty.without)
            )
            buses.append((duty, bus))
        loads = [top, whole.load, *(bus.load for _, bus in buses)]
        pids = [bus.envoy.process.pid for _, bus in buses]
        first = urgent(provider_pid, pid, whole.envoy.process.pid, *pids)
        order: list[int] = []
        for _ in range(ROUNDS):
            others = random.sample(range(2, len(loads)), len(buses))
            order += [0, *(n for other in others for n in random.sample((1, other), 2))]
        asked = partial(by_the_clock, loads, order, begin=time.time() + 6, every=TURN_SECONDS + GAP)
        told = await asyncio.to_thread(
            asked, urgent=first, seconds=TURN_SECONDS, connections=CONNECTIONS, rate=RATE
        )
    return [_result(order, told, first=first)]


def _result(order: list[int], told: list[Told], *, first: bool) -> Result:
    """Put each turn of an Envoy that lacks something beside the turn of the whole next to it."""
    costs: dict[str, tuple[list[float], list[float]]] = {duty.name: ([], []) for duty in DUTIES}
    nginx_us, at = [], 0
    while at < len(order):
        if order[at] == 0:
            nginx_us.append(told[at]["cpu_us"]["nginx"])
            at += 1
            continue
        pair = {order[n]: told[n]["cpu_us"]["envoy"] for n in (at, at + 1)}
        other = next(n for n in pair if n != 1)
        with_it, without = costs[DUTIES[other - 2].name]
        with_it.append(pair[1])
        without.append(pair[other])
        at += 2
    all_of_it = median(us for with_it, _ in costs.values() for us in with_it) or 0
    rounds = [Round(all_of_it, label="Envoy, everything on")]
    for name, (with_it, without) in costs.items():
        spread = samples.difference(with_it, without)
        rounds.append(Round(round(spread.middle, 1), label=f"{name}: {spread.words(1)}"))
    rounds.append(Round(median(nginx_us) or 0, label="nginx: mTLS, limit_req, JSON log"))
    words = (
        f"{AGENCIES} agencies; {EVERYTHING}; {SETUP}; median of {ROUNDS} differences of turns side by side of"
        f" {TURN_SECONDS:g} s, 95 % by bootstrap, at {RATE:,.0f}/s {'with' if first else 'without'} priority"
    )
    return result("gateway-profile", "CPU µs per request", rounds, words, value=all_of_it)


def measure() -> list[Result]:
    return asyncio.run(_measure())
