"""`fairness`: one agency asks twenty times its quota; the others' p99 beside what it is without that agency.

The others send at a fixed rate, each second a part of what Envoy could do, so that latency is theirs and not
a queue's. Both generators and the provider share the core that Envoy has not, so that the flood's generator
alone delays the others: in the turns without it the same flood goes past Envoy, to the provider itself.

One turn's p99 is a matter of luck. So there are many short turns, in pairs of changing order on connections
that stay open; all turns of a kind are one sample, and whole pairs are drawn anew to see what luck could have
made of the ratio (bootstrap). The turns past Envoy, halved, say what comes out where nothing differs.
"""

import asyncio
import random
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any

import nginx
from bus import CALLERS, Bus, Ground, agreements_of, code, ground, requests_of, running_bus
from gateway_proxy import provider
from harness import BACK, Load, Result, Round, by_the_clock, percentile, result
from ndx_contracts.agreements import Quotas

AGENCIES, PAIRS, TURN_SECONDS = 300, 60, 1.2
FLOOD_AHEAD, GAP = 0.2, 0.3
"""Seconds by which the flood begins before the others' turn, and that lie between two turns."""
RATE, CONNECTIONS, FLOOD_CONNECTIONS = 400.0, 16, 8
PER_SECOND = 50
FLOOD_RATE = 20.0 * PER_SECOND
FLOODER = 1
DRAWN = 1000
Told = dict[str, Any]
Pairs = Sequence[tuple[Told, Told]]
"""What the generator told of the others' turns: with the flood past Envoy, with the flood."""


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
class Ratio:
    """How one sample's p99 stands to another's."""

    p99_ms: float
    beside_ms: float
    low: float
    high: float
    """Of a hundred ratios that luck could have made of these turns, 95 lie between the two."""

    @property
    def words(self) -> str:
        return f"{self.p99_ms / self.beside_ms:.2f} ({self.low:.2f} to {self.high:.2f})"


def _p99_ms(turns: Sequence[Told]) -> float:
    return percentile([took for turn in turns for took in turn["took"]], 0.99) * 1000


def _slowest(turns: Sequence[Told]) -> list[tuple[int, list[float]]]:
    """Return of each turn how many calls it had, and the latencies among the slowest tenth of all."""
    least = percentile([took for turn in turns for took in turn["took"]], 0.9)
    # No turn is without any, so that whatever is drawn has a slowest one.
    return [(len(t["took"]), [took for took in t["took"] if took >= least] or [least]) for t in turns]


def _ratio(pairs: Pairs) -> Ratio:
    """Compare the second of all pairs with the first."""
    luck = random.Random(1)
    sides = [_slowest(side) for side in zip(*pairs, strict=True)]

    def drawn_p99(side: Sequence[tuple[int, list[float]]], drawn: Sequence[int]) -> float:
        tail = sorted(took for n in drawn for took in side[n][1])
        beyond = sum(side[n][0] for n in drawn) // 100 + 1
        return tail[-min(beyond, len(tail))]

    ratios = []
    for _ in range(DRAWN):
        drawn = luck.choices(range(len(pairs)), k=len(pairs))
        beside, p99 = (drawn_p99(side, drawn) for side in sides)
        ratios.append(p99 / beside)
    whole = [_p99_ms(side) for side in zip(*pairs, strict=True)]
    return Ratio(whole[1], whole[0], percentile(ratios, 0.025), percentile(ratios, 0.975))


def _turns(others: Load, flood: Load, elsewhere: Load) -> tuple[Pairs, list[Told]]:
    """Return the others' turns in pairs, and what the flood's generator told of the flood's own."""
    order = [which for n in range(PAIRS) for which in ((0, 1) if n % 2 else (1, 0))]
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
                seconds=FLOOD_AHEAD + TURN_SECONDS,
                connections=FLOOD_CONNECTIONS,
                rate=FLOOD_RATE,
            ),
        )

    seen, flooding = asyncio.run(both())
    pairs = []
    for at in range(0, len(order), 2):
        alone = at + order[at]
        pairs.append((seen[alone], seen[at + 1 - order[at]]))
    return pairs, [told for told, which in zip(flooding, order, strict=True) if which]


def _words(pairs: Pairs, flooding: Sequence[Told], ratio: Ratio) -> str:
    turns = [turn for pair in pairs for turn in pair]
    alone = [turn for turn, _ in pairs]
    same = _ratio(list(zip(alone[::2], alone[1::2], strict=True)))
    single = sorted(_p99_ms([flooded]) / _p99_ms([quiet]) for quiet, flooded in pairs)
    refused = sum(told["statuses"].get("429", 0) for told in flooding)
    sent = sum(told["requests"] for told in flooding)
    rate = sent / sum(told["seconds"] for told in flooding)
    more = statistics.fmean(f["busy"]["envoy"] - q["busy"]["envoy"] for q, f in pairs) / rate * 1e6
    unsent = 1 - sum(t["requests"] for t in turns) / (len(turns) * int(TURN_SECONDS * RATE))
    late = percentile([x for turn in turns for x in turn["late"]], 0.99) * 1000
    return (
        f"{CALLERS} of {AGENCIES} agencies send {RATE:g} calls/s in all, one more {FLOOD_RATE:g}/s with a"
        f" quota of {PER_SECOND}/s ({rate:,.0f}/s came about, {refused / sent:.0%} refused, {more:.0f} µs of"
        f" Envoy each); {len(pairs)} pairs of turns of {TURN_SECONDS:g} s, through Envoy and past it, open"
        f" loop, one core for Envoy. p99 of all turns: {ratio.words} times, 95 % by bootstrap; of single"
        f" pairs {percentile(single, 0.1):.2f} to {percentile(single, 0.9):.2f} (10th to 90th percentile);"
        f" where nothing differs {same.words}. The others' generator was busy {_busiest(turns):.2f} of a"
        f" core at most, the flood's {_busiest(flooding):.2f}; the others' calls went out {late:.2f} ms"
        f" late at p99, {unsent:.1%} not at all"
    )


def _busiest(turns: Sequence[Told]) -> float:
    return max(float(turn["generator_busy"]) for turn in turns)


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
        pairs, flooding = await asyncio.to_thread(_turns, bus.load, flood, elsewhere)
    ratio = _ratio(pairs)
    words = _words(pairs, flooding, ratio)
    print(f"  {words}")
    errors = sum(turn["errors"] for pair in pairs for turn in pair)
    pooled = Round(ratio.p99_ms, errors=errors, ceiling=ratio.beside_ms)
    return [
        result("fairness", "ms p99 of the others", [pooled], words, ceiling="p99 with the flood past Envoy")
    ]


def measure() -> list[Result]:
    return asyncio.run(_measure())
