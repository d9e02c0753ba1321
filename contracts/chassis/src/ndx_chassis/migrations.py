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
from sqlalchemy import Connection, MetaData, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from ndx_chassis.disclosure import months_ahead
from ndx_chassis.settings import ServiceSettings

# Written out, not made from `ndx_chassis.tables`: a first migration means the same for ever. What the
# runtime needs later comes as a further function, called by a further migration of every service.
_RUNTIME_TABLES = """
CREATE TABLE outbox (
    id UUID NOT NULL,
    aggregatetype TEXT NOT NULL,
    aggregateid TEXT NOT NULL,
    type TEXT NOT NULL,
    topic TEXT NOT NULL,
    payload TEXT NOT NULL,
    headers JSONB DEFAULT '{}'::jsonb NOT NULL,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    xid BIGINT DEFAULT (pg_current_xact_id()::text::bigint) NOT NULL
);
CREATE UNIQUE INDEX pk_outbox ON outbox (xid, id);
CREATE TABLE disclosures (
    id UUID NOT NULL,
    occurred_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    agency TEXT NOT NULL,
    system TEXT NOT NULL,
    officer TEXT,
    case_id TEXT,
    purpose TEXT NOT NULL,
    agreement TEXT NOT NULL,
    agreement_version INTEGER NOT NULL,
    operation TEXT NOT NULL,
    subjects TEXT[] NOT NULL,
    field_groups TEXT[] NOT NULL,
    outcome TEXT NOT NULL,
    request_id TEXT NOT NULL,
    trace_id TEXT,
    xid BIGINT DEFAULT (pg_current_xact_id()::text::bigint) NOT NULL
) PARTITION BY RANGE (occurred_at);
CREATE INDEX pk_disclosures ON disclosures (xid, id);
CREATE TABLE relay_positions (
    source TEXT NOT NULL,
    xid BIGINT NOT NULL,
    id UUID NOT NULL,
    CONSTRAINT pk_relay_positions PRIMARY KEY (source)
);
CREATE TABLE inbox (
    consumer TEXT NOT NULL,
    event_id UUID NOT NULL,
    state TEXT NOT NULL,
    attempts INTEGER DEFAULT 0 NOT NULL,
    next_attempt_at TIMESTAMPTZ,
    topic TEXT,
    message JSONB,
    error TEXT,
    received_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_inbox PRIMARY KEY (consumer, event_id)
);
CREATE INDEX ix_inbox_due ON inbox (next_attempt_at) WHERE state = 'WAITING';
CREATE TABLE audit_entries (
    id UUID NOT NULL,
    occurred_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    actor TEXT NOT NULL,
    officer TEXT,
    case_id TEXT,
    action TEXT NOT NULL,
    entity_type TEXT NOT NULL,
    entity_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    trace_id TEXT,
    details JSONB NOT NULL,
    CONSTRAINT pk_audit_entries PRIMARY KEY (id)
);
CREATE INDEX ix_audit_entries_entity ON audit_entries (entity_type, entity_id);
CREATE TABLE idempotency_keys (
    caller TEXT NOT NULL,
    operation TEXT NOT NULL,
    key TEXT NOT NULL,
    request_hash TEXT NOT NULL,
    response TEXT,
    created_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (caller, operation, key)
);
CREATE TABLE agreements (
    agreement_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    document JSONB NOT NULL,
    received_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_agreements PRIMARY KEY (agreement_id)
);
"""


_CONSENTS = """
CREATE TABLE consents (
    consent_id UUID NOT NULL,
    personal_id TEXT NOT NULL,
    agency TEXT NOT NULL,
    purpose TEXT NOT NULL,
    field_groups TEXT[] NOT NULL,
    given_at TIMESTAMPTZ NOT NULL,
    valid_until TIMESTAMPTZ NOT NULL,
    withdrawn_at TIMESTAMPTZ,
    CONSTRAINT pk_consents PRIMARY KEY (consent_id)
);
CREATE INDEX ix_consents_personal_id ON consents (personal_id, agency, purpose)
"""

_FORMER_NUMBERS = """
CREATE TABLE former_numbers (
    personal_id TEXT NOT NULL,
    superseded_by TEXT NOT NULL,
    merged BOOLEAN NOT NULL,
    kept JSONB NOT NULL,
    recorded_at TIMESTAMPTZ DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT pk_former_numbers PRIMARY KEY (personal_id)
);
CREATE INDEX ix_former_numbers_superseded_by ON former_numbers (superseded_by)
"""


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
    """Create the tables that the runtime needs, with partitions and grants: first step of a 0001."""
    bind = op.get_bind()
    rest = "CREATE TABLE disclosures_default PARTITION OF disclosures DEFAULT"
    months = [statement for month in months_ahead(datetime.now(UTC)) for statement in month.statements()]
    for statement in (*_RUNTIME_TABLES.strip().rstrip(";").split(";\n"), rest, *months):
        bind.exec_driver_sql(statement)
    # Records of disclosures and audit entries are written once: the service takes the right to change
    # them away from its own role.
    bind.exec_driver_sql("REVOKE UPDATE, DELETE, TRUNCATE ON disclosures, audit_entries FROM CURRENT_USER")


def create_consents(op: Any) -> None:
    """Create the service's copy of consents: a step of every service's next migration."""
    for statement in _CONSENTS.strip().split(";\n"):
        op.get_bind().exec_driver_sql(statement)


def create_former_numbers(op: Any) -> None:
    """Create the table of numbers that lead on: a step of a service that keeps something under them."""
    for statement in _FORMER_NUMBERS.strip().split(";\n"):
        op.get_bind().exec_driver_sql(statement)


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
