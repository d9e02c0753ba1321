"""Command `python -m ndx_chassis.dead_letters svc_tax_link list|replay`: what waits or is dead, and again."""

import argparse
import asyncio
import importlib
import sys

import asyncpg
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from ndx_chassis.db import make_engine, make_sessions
from ndx_chassis.inbox import replay
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.tables import inbox


async def _replay(settings: ServiceSettings, consumer: str | None) -> str:
    engine = make_engine(settings)
    try:
        async with make_sessions(engine)() as session, session.begin():
            count = await replay(session, consumer=consumer)
    finally:
        await engine.dispose()
    return f"{count} dead letter{'' if count == 1 else 's'} of {settings.service} will be tried again now\n"


async def _list(settings: ServiceSettings, consumer: str | None) -> str:
    columns = (inbox.c.state, inbox.c.consumer, inbox.c.event_id, inbox.c.attempts, inbox.c.received_at)
    statement = select(*columns, inbox.c.error).where(inbox.c.state != "DONE").order_by(inbox.c.received_at)
    if consumer is not None:
        statement = statement.where(inbox.c.consumer == consumer)
    engine = make_engine(settings)
    try:
        async with make_sessions(engine)() as session:
            rows = (await session.execute(statement)).all()
    finally:
        await engine.dispose()
    lines = [
        f"{r.state}\t{r.consumer}\t{r.event_id}\t{r.attempts} attempts\t"
        f"since {r.received_at:%Y-%m-%dT%H:%M:%SZ}\t{r.error}\n"
        for r in rows
    ]
    dead = sum(r.state == "DEAD" for r in rows)
    return "".join([*lines, f"{settings.service}: {dead} dead, {len(rows) - dead} waiting\n"])


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m ndx_chassis.dead_letters")
    parser.add_argument("package", help="the service's package, such as svc_tax_link")
    parser.add_argument("action", choices=("list", "replay"))
    parser.add_argument("--consumer", help="only this consumer, such as tax:population.person.v1")
    arguments = parser.parse_args()
    try:
        settings: ServiceSettings = importlib.import_module(f"{arguments.package}.settings").Settings()
    except ModuleNotFoundError:
        sys.stderr.write(f"ndx: there is no service package {arguments.package}\n")
        return 1
    act = _replay if arguments.action == "replay" else _list
    try:
        sys.stdout.write(asyncio.run(act(settings, arguments.consumer)))
    except (OSError, SQLAlchemyError, asyncpg.PostgresError) as error:
        prefix = settings.model_config.get("env_prefix")
        sys.stderr.write(
            f"ndx: the database of {settings.service} cannot be reached ({type(error).__name__}):"
            f" is {prefix}DATABASE_URL right?\n"
        )
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
