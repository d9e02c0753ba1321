"""`gateway-profile`: what each duty of the gateway costs Envoy: CPU time per call with it less without it.

One Envoy has everything; each other lacks one thing. Every turn of one that lacks something stands beside a
turn of the whole, and the median of the differences is the figure. What two duties share is in neither's.
"""

import asyncio
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import nginx
from bus import CALLERS, Bus, Change, Documents, Ground, ground, routes_in, running_bus
from gateway.xds import names, protos
from gateway_proxy import EVERYTHING, SETUP, bare, ceiling, provider, turns
from harness import BACK, FRONT, Result, Round, median, result

ROUNDS, TURN_SECONDS, AGENCIES = 6, 0.6, 300


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
        stack.enter_context(
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
        costs: dict[str, list[float]] = {duty.name: [] for duty in DUTIES}
        all_of_it: list[float] = []
        nginx_us: list[float] = []
        for _ in range(ROUNDS):
            others = random.sample(range(2, len(loads)), len(buses))
            order = [0, *(n for other in others for n in (1, other, 1, other))]
            seen = await turns(loads, order, seconds=TURN_SECONDS)
            nginx_us.append(seen[0].cpu_us["nginx"])
            for at in range(1, len(order), 2):
                with_it, without = (r.cpu_us["envoy"] for r in seen[at : at + 2])
                costs[buses[order[at + 1] - 2][0].name].append(with_it - without)
                all_of_it.append(with_it)
    rounds = [Round(median(all_of_it) or 0, label="Envoy, everything on")]
    rounds += [Round(round(median(us) or 0, 1), label=name) for name, us in costs.items()]
    rounds.append(Round(median(nginx_us) or 0, label="nginx: mTLS, limit_req, JSON log"))
    how = f"median of {2 * ROUNDS} differences of turns side by side"
    words = f"{AGENCIES} agencies; {EVERYTHING}; {SETUP}; {how}"
    return [result("gateway-profile", "CPU µs per request", rounds, words, value=rounds[0].value)]


def measure() -> list[Result]:
    return asyncio.run(_measure())
