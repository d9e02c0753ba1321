"""Schema changes by Alembic: one lock per database, short timeouts, and the runtime's own tables.

`python -m ndx_chassis.migrations svc_population` brings the service's database to the newest version.
"""

import argparse
import asyncio
import importlib
import os
import sys
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic import command, context
from alembic.config import Config
from alembic.operations import Operations
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from ndx_chassis.settings import ServiceSettings
from ndx_chassis.tables import runtime_metadata

MONTHS_AHEAD = 24


def folder_of(package: str) -> Path:
    """Return the folder of a service's migrations: `migrations/` beside `src/`."""
    root = os.environ.get("NDX_MIGRATIONS_ROOT")
    if root:
        return Path(root) / package
    module = importlib.import_module(package)
    if module.__file__ is None:
        raise RuntimeError(f"{package} has no place on disk")
    return Path(module.__file__).resolve().parents[2] / "migrations"


def upgrade(package: str, url: str, *, revision: str = "head") -> None:
    """Migrate the database at a SQLAlchemy URL (postgresql+asyncpg://…)."""
    config = Config()
    config.set_main_option("script_location", str(folder_of(package)))
    config.attributes["url"] = url
    command.upgrade(config, revision)


def run_env(metadata: MetaData) -> None:
    """Body of every `migrations/env.py`."""
    url = context.config.attributes.get("url")
    if url is None:
        raise RuntimeError("start migrations with python -m ndx_chassis.migrations <package>")
    asyncio.run(_migrate(str(url), metadata))


async def _migrate(url: str, metadata: MetaData) -> None:
    engine = create_async_engine(url, poolclass=pool.NullPool)
    try:
        async with engine.connect() as connection:
            await connection.execute(text("SET lock_timeout = '4s'"))
            await connection.execute(text("SET statement_timeout = '5s'"))
            key = zlib.crc32(b"ndx-migrations")
            # Waiting for another migrator may take longer than one statement may.
            await connection.execute(text("SET statement_timeout = '120s'"))
            await connection.execute(text("SET lock_timeout = '120s'"))
            await connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
            await connection.execute(text("SET lock_timeout = '4s'"))
            await connection.execute(text("SET statement_timeout = '5s'"))
            await connection.commit()
            await connection.run_sync(_run, metadata)
            await connection.commit()
    finally:
        await engine.dispose()


def _run(connection: Connection, metadata: MetaData) -> None:
    context.configure(connection=connection, target_metadata=metadata, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()


def create_runtime_tables(op: Any) -> None:
    """Create the tables of `ndx_chassis.tables` with their partitions and grants: first step of a 0001."""
    bind = Operations.get_bind(op) if isinstance(op, Operations) else op.get_bind()
    runtime_metadata.create_all(bind)
    for statement in _partitions(datetime.now(UTC)):
        bind.execute(text(statement))
    # Records of disclosures and audit entries are written once: the service takes the right to change
    # them away from its own role.
    bind.execute(text("REVOKE UPDATE, DELETE, TRUNCATE ON disclosures, audit_entries FROM CURRENT_USER"))


def _partitions(now: datetime) -> list[str]:
    statements = ["CREATE TABLE disclosures_default PARTITION OF disclosures DEFAULT"]
    year, month = now.year, now.month
    for _ in range(MONTHS_AHEAD):
        following = (year + month // 12, month % 12 + 1)
        name = f"disclosures_{year:04d}_{month:02d}"
        statements.append(
            f"CREATE TABLE {name} PARTITION OF disclosures"
            f" FOR VALUES FROM ('{year:04d}-{month:02d}-01 00:00+00')"
            f" TO ('{following[0]:04d}-{following[1]:02d}-01 00:00+00')"
        )
        year, month = following
    return statements


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m ndx_chassis.migrations")
    parser.add_argument("package", help="the service's package, such as svc_population")
    arguments = parser.parse_args()
    settings: ServiceSettings = importlib.import_module(f"{arguments.package}.settings").Settings()
    upgrade(arguments.package, settings.sqlalchemy_url)
    sys.stdout.write(f"{arguments.package}: schema is at its newest version\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
