"""`fairness`: one agency asks twenty times its quota; the others' p99 beside what it is without that agency.

The others send at a fixed rate, each second a part of what Envoy could do, so that latency is theirs and not
a queue's. Both generators and the provider share the core that Envoy has not, so that the flood's generator
alone delays the others: in the turns without it the same flood goes past Envoy, to the provider itself.

A machine that stops for some milliseconds decides what is slowest in a turn, whoever floods. So all of this
goes before other programs where the system allows that; turns are short and many, in groups of three in
changing order: with the flood past Envoy, through it, and past it again. Each turn has its p99, and the
figure is the median of the groups' ratios, which a few bad turns do not move, with what luck could have
made of it (whole groups are drawn anew). The third turn beside the first says what comes out where nothing
differs. The p99 of all calls of a kind is told too: it is that of the few worst moments, whosesoever they
were.

`NDX_ROUNDS=20 make bench B=fairness` is shorter and says less.
"""

import asyncio
import os
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

import nginx
import samples
from bus import CALLERS, Bus, Ground, agencies_of, agreements_of, code, ground, requests_of, running_bus
from gateway_proxy import provider
from harness import BACK, Load, Result, Round, Told, by_the_clock, percentile, result, urgent
from ndx_contracts.agreements import Quotas
from own_time import FLUSHED, Times, in_microseconds, read_times

AGENCIES, TURN_SECONDS = 300, 0.7
GROUPS = int(os.environ.get("NDX_ROUNDS", "60"))
FLOOD_AHEAD, GAP = 0.15, 0.25
"""Seconds by which the flood begins before the others' turn, and that lie between two turns."""
RATE, CONNECTIONS, FLOOD_CONNECTIONS = 400.0, 16, 8
PER_SECOND = 50
FLOOD_RATE = 20.0 * PER_SECOND
FLOODER = agencies_of(AGENCIES)[-1]
"""None of those that call."""


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


@dataclass(frozen=True, slots=True)
class Group:
    """The others' turns that lie side by side."""

    past: Told
    flooded: Told
    again: Told
    """As the first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What both generators told."""

    groups: list[Group]
    flooding: list[Told]
    """Of the flood, the turns in which it went through Envoy."""
    turns: list[Told]
    """The others' turns as they came."""


def _p99_ms(*turns: Told) -> float:
    return percentile([took for turn in turns for took in turn["took"]], 0.99) * 1000


def _pooled(groups: Sequence[Group], these: str, others: str) -> samples.Spread:
    """Compare the p99 of all calls of two kinds of turns."""
    sides: list[list[list[float]]] = [
        [getattr(group, side)["took"] for group in groups] for side in (these, others)
    ]
    tails = []
    for side in sides:
        # No turn is without any, so that whatever is drawn has a slowest one.
        least = percentile([took for turn in side for took in turn], 0.9)
        tails.append([[took for took in turn if took >= least] or [least] for turn in side])

    def p99(side: int, drawn: Sequence[int]) -> float:
        tail = sorted(took for n in drawn for took in tails[side][n])
        return tail[-min(sum(len(sides[side][n]) for n in drawn) // 100 + 1, len(tail))]

    return samples.bootstrap(len(groups), lambda drawn: p99(0, drawn) / p99(1, drawn))


def _median(groups: Sequence[Group], these: str, others: str) -> samples.Spread:
    """Compare the p99 of each turn with that of the one in its group."""
    first, second = ([_p99_ms(getattr(group, side)) for group in groups] for side in (these, others))
    return samples.ratio(first, second)


def _turns(others: Load, flood: Load, elsewhere: Load, *, first: bool) -> Seen:
    """Let the others call, with the flood through Envoy in one turn of three."""
    luck = random.Random(3)
    at = [luck.sample(range(3), 3) for _ in range(GROUPS)]
    # Which turn of a group is the flooded one, and which are the others, is drawn.
    order = [int(which == 1) for group in at for which in group]
    every = FLOOD_AHEAD + TURN_SECONDS + GAP
    begin = time.time() + 5.0

    async def both() -> tuple[list[Told], list[Told]]:
        return await asyncio.gather(
            asyncio.to_thread(
                by_the_clock,
                [others],
                [0] * len(order),
                begin=begin + FLOOD_AHEAD,
                every=every,
                urgent=first,
                seconds=TURN_SECONDS,
                connections=CONNECTIONS,
                rate=RATE,
            ),
            asyncio.to_thread(
                by_the_clock,
                [elsewhere, flood],
                order,
                begin=begin,
                every=every,
                urgent=first,
                seconds=FLOOD_AHEAD + TURN_SECONDS,
                connections=FLOOD_CONNECTIONS,
                rate=FLOOD_RATE,
            ),
        )

    seen, flooding = asyncio.run(both())
    groups = []
    for n, group in enumerate(at):
        mine = seen[3 * n : 3 * n + 3]
        groups.append(Group(*(mine[group.index(which)] for which in range(3))))
    return Seen(groups, [told for told, which in zip(flooding, order, strict=True) if which], seen)


def _words(seen: Seen, own: Sequence[Times], *, first: bool) -> str:
    groups, turns = seen.groups, seen.turns
    refused = sum(told["statuses"].get("429", 0) for told in seen.flooding)
    sent = sum(told["requests"] for told in seen.flooding)
    rate = sent / sum(told["seconds"] for told in seen.flooding)
    more = statistics.median(g.flooded["busy"]["envoy"] - g.past["busy"]["envoy"] for g in groups)
    unsent = 1 - sum(t["requests"] for t in turns) / (len(turns) * int(TURN_SECONDS * RATE))
    late = percentile([x for turn in turns for x in turn["late"]], 0.99) * 1000
    inside = {id(turn): percentile(times.own, 0.99) for turn, times in zip(turns, own, strict=True)}
    by_log = samples.ratio([inside[id(g.flooded)] for g in groups], [inside[id(g.past)] for g in groups])
    typical = statistics.median(inside[id(g.flooded)] for g in groups)
    return (
        f"{CALLERS} of {AGENCIES} agencies send {RATE:g} calls/s in all, one more {FLOOD_RATE:g}/s with a"
        f" quota of {PER_SECOND}/s ({rate:,.0f}/s came about, {refused / sent:.0%} refused,"
        f" {more / rate * 1e6:.0f} µs of Envoy each); {len(groups)} groups of turns of {TURN_SECONDS:g} s,"
        f" one through Envoy and two past it, open loop, one core for Envoy,"
        f" {'with' if first else 'without'} priority before all other programs. The turns' p99, by 95 % of a"
        f" bootstrap: {_median(groups, 'flooded', 'past').words()} times, where nothing differs"
        f" {_median(groups, 'again', 'past').words()}; the p99 of all calls"
        f" {_pooled(groups, 'flooded', 'past').words()}, where nothing differs"
        f" {_pooled(groups, 'again', 'past').words()}; the turns' p99 in Envoy itself by its log"
        f" {typical:.2f} ms, {by_log.words()} times. The others' generator was busy {_busiest(turns):.2f}"
        f" of a core at most, the flood's {_busiest(seen.flooding):.2f}; the others' calls went out"
        f" {late:.2f} ms late at p99, {unsent:.1%} not at all"
    )


def _busiest(turns: Sequence[Told]) -> float:
    return max(float(turn["generator_busy"]) for turn in turns)


async def _measure() -> list[Result]:
    shared = ground()
    shared.quotas[FLOODER] = Quotas(per_second=PER_SECOND, burst=2 * PER_SECOND, per_day=1_000_000_000)
    async with AsyncExitStack() as stack:
        place = shared.folder
        pid = stack.enter_context(
            nginx.running(place, "provider", provider(place, shared), shared.ports.provider, BACK)
        )
        bus = await stack.enter_async_context(
            running_bus(shared, "fairness", agencies=AGENCIES, change=in_microseconds)
        )
        flood = _flood(shared, bus)
        elsewhere = replace(shared.direct(CALLERS), watch={})
        first = urgent(pid, bus.envoy.process.pid)
        seen = await asyncio.to_thread(_turns, bus.load, flood, elsewhere, first=first)
        await asyncio.sleep(FLUSHED)
        others = read_times(
            place / "fairness" / "access.log", seen.turns, lambda line: line["agency"] != code(FLOODER)
        )
    words = _words(seen, others, first=first)
    print(f"  {words}")
    rounds = [
        Round(
            _p99_ms(group.flooded),
            errors=sum(turn["errors"] for turn in (group.past, group.flooded, group.again)),
            ceiling=_p99_ms(group.past),
        )
        for group in seen.groups
    ]
    return [
        result("fairness", "ms p99 of the others", rounds, words, ceiling="p99 with the flood past Envoy")
    ]


def measure() -> list[Result]:
    return asyncio.run(_measure())
