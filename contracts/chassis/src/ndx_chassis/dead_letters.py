"""Command `python -m ndx_chassis.dead_letters svc_tax_link replay`: list and replay dead letters."""

import argparse
import asyncio
import importlib
import sys

from sqlalchemy import select

from ndx_chassis.db import make_engine, make_sessions
from ndx_chassis.inbox import replay
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.tables import inbox


async def _run(settings: ServiceSettings, action: str, consumer: str | None) -> int:
    engine = make_engine(settings)
    try:
        async with make_sessions(engine)() as session, session.begin():
            if action == "replay":
                count = await replay(session, consumer=consumer)
                sys.stdout.write(f"{count} dead letters wait for their next attempt\n")
                return 0
            rows = await session.execute(
                select(inbox.c.consumer, inbox.c.event_id, inbox.c.attempts, inbox.c.error).where(
                    inbox.c.state == "DEAD"
                )
            )
            for row in rows:
                sys.stdout.write(f"{row.consumer}\t{row.event_id}\t{row.attempts}\t{row.error}\n")
            return 0
    finally:
        await engine.dispose()


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m ndx_chassis.dead_letters")
    parser.add_argument("package", help="the service's package, such as svc_tax_link")
    parser.add_argument("action", choices=("list", "replay"))
    parser.add_argument("--consumer", help="only this consumer, such as tax:population.person.v1")
    arguments = parser.parse_args()
    settings: ServiceSettings = importlib.import_module(f"{arguments.package}.settings").Settings()
    return asyncio.run(_run(settings, arguments.action, arguments.consumer))


if __name__ == "__main__":
    raise SystemExit(main())
