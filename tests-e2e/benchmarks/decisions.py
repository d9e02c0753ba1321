"""`decisions`: a real Envoy and the plain rules decide on 100,000 generated calls; differences are printed.

Each world has other agencies, agreements, templates, suspensions and revoked certificates; most calls in it
are near to one that an agreement covers. The figure says how fast the comparison is; what counts is `errors`.
"""

import asyncio
import os
import secrets
import tempfile
import time
from pathlib import Path

from harness import CannotMeasure, Result, Round, result
from ndx_testing.decisions import Report, judge

WORLDS, CALLS_EACH = 500, 200
_WORLDS_PER_ROUND = 50


async def _compare(seed: int) -> tuple[Report, list[Round]]:
    whole, rounds = Report(), []
    with tempfile.TemporaryDirectory() as folder:
        async with judge(Path(folder)) as asked:
            for number in range(WORLDS // _WORLDS_PER_ROUND):
                started = time.perf_counter()
                report = await asked.compare(seed + number, worlds=_WORLDS_PER_ROUND, calls_each=CALLS_EACH)
                took = time.perf_counter() - started
                rounds.append(Round(report.compared / took, errors=report.wrong))
                whole.add(report)
    return whole, rounds


def measure() -> list[Result]:
    """Compare with a new seed, which is printed; NDX_SEED asks for the same cases again.

    Raises:
        CannotMeasure: some calls were decided differently.
    """
    seed = int(os.environ.get("NDX_SEED") or secrets.randbelow(10**9))
    report, rounds = asyncio.run(_compare(seed))
    print(f"  {report.compared:,} calls in {WORLDS} worlds, seed {seed}: {report.wrong} differ")
    for outcome, count in sorted(report.outcomes.items(), key=lambda found: -found[1]):
        print(f"    {outcome:28} {count:7,}")
    for difference in report.differing:
        print(f"  DIFFERS {difference}")
    conditions = (
        f"{report.compared:,} generated calls in {WORLDS} worlds, seed {seed}; Envoy and rules in turn"
    )
    found = result("decisions", "calls/s", rounds, conditions)
    if report.wrong:
        raise CannotMeasure(f"Envoy and the rules differ on {report.wrong} of {report.compared} calls")
    return [found]
