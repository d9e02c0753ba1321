"""Command `python -m svc_population.quality.recount`: count everybody anew, or `--verify` what is counted.

It can be stopped at any moment: run again, it goes on behind the last slice.
"""

import argparse
import asyncio
import sys

from ndx_chassis.db import make_engine, make_sessions
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from svc_population.quality import recounting
from svc_population.settings import Settings


async def _run(*, verify: bool, slices: int | None) -> int:
    engine = make_engine(Settings())
    try:
        sessions = make_sessions(engine)
        if not verify:
            number = await recounting.bring_up_to_date(sessions, anew=True, slices=slices)
            if number is None:
                sys.stdout.write("population: slices are left; run it again to go on\n")
            else:
                sys.stdout.write(f"population: generation {number} is counted and in force\n")
            return 0
        async with sessions() as session, session.begin():
            await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
            found = await recounting.differences(session)
        for province, commune, *_ in found[:20]:
            sys.stdout.write(f"population: province {province or '-'} commune {commune or '-'} differs\n")
        sys.stdout.write(f"population: {len(found)} counts differ from the persons' rows\n")
        return 1 if found else 0
    finally:
        await engine.dispose()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 1: counts differ, or the database did not let it."""
    parser = argparse.ArgumentParser(prog="population quality", description=__doc__)
    parser.add_argument(
        "--verify", action="store_true", help="change nothing; compare counts with the persons' rows"
    )
    parser.add_argument("--slices", type=int, help="stop after so many slices of 200,000 records")
    asked = parser.parse_args(arguments)
    try:
        return asyncio.run(_run(verify=asked.verify, slices=asked.slices))
    except (OSError, DBAPIError) as error:
        sys.stderr.write(
            f"population: {type(error).__name__}: what was counted before is kept; run it again\n"
        )
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
