"""`lookup-chain`: the same reads through Envoy, everything on; the ceiling is `lookup` in the same turns."""

import asyncio

from harness import Result, Round, request, result
from lookup import CONNECTIONS, MOST, ROUNDS, SECONDS, SYSTEM, direct_load, paths
from system import SAMPLING, System


def measure(system: System) -> list[Result]:
    direct = direct_load(system)
    numbers = asyncio.run(system.personal_ids(MOST))
    requests = [request("GET", path, {"NDX-Purpose": "SOCIAL_INSURANCE"}) for path in paths(numbers)]
    chain = system.through_gateway(SYSTEM, requests, "envoy", "population", "postgres")
    chain.run(connections=CONNECTIONS[-1], seconds=3)
    rounds: dict[int, list[Round]] = {n: [] for n in CONNECTIONS}
    for _ in range(ROUNDS):
        for connections in CONNECTIONS:
            inner, _ = direct.run(connections=connections, seconds=SECONDS)
            made, _ = chain.run(connections=connections, seconds=SECONDS)
            made.ceiling, made.ceiling_cpu_us = inner.value, inner.cpu_us
            rounds[connections].append(made)
    return [
        result(
            "lookup-chain" if connections == CONNECTIONS[-1] else f"lookup-chain-{connections}",
            "reads/s",
            found,
            f"as lookup, through Envoy: mutual TLS, agreement, burst, access log, {SAMPLING} % traced;"
            f" {connections} connections; Envoy shares the cores with all other parts",
            ceiling="lookup in the same turns",
        )
        for connections, found in rounds.items()
    ]
