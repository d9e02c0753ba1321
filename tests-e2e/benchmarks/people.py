"""A population database of its own with as many synthetic people as a benchmark needs, without a stack."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import psutil
from harness import ROOT
from ndx_chassis.agreements import Grant
from ndx_chassis.caller import Caller
from ndx_contracts.agreements import Agreement, AgreementState, LegalBasis, OperationGrant, Quotas
from ndx_contracts.field_groups import FieldGroup
from ndx_demo.population.rows import lines
from ndx_local import postgres
from ndx_testing.postgres import execute, named
from svc_population.imports.service import load_persons

PEOPLE = int(os.environ.get("NDX_BENCH_PEOPLE", "1000000"))
"""How many people stand in the database; the goals are for 10 million and more."""
FOLDER = ROOT / ".local" / "bench-people"
_BUFFERS = max(1024, psutil.virtual_memory().total // 4 // 1024**2)
"""MiB of PostgreSQL's own memory: a quarter of the machine's, as its manual advises for a server."""
_SETTINGS = {**postgres.DURABLE, "shared_buffers": f"{_BUFFERS}MB", "max_wal_size": "8GB"}


@contextmanager
def database(folder: Path, package: str, variable: str) -> Iterator[tuple[str, int]]:
    """Serve a service's migrated database until the block ends, with synced commits; nothing stays behind.

    `variable` of the environment names the database to the service. Gives its URL and the server's pid.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with postgres.running(folder, settings=_SETTINGS) as server:
            asyncio.run(execute(server.url(), "CREATE DATABASE bench"))
            url = named(server.url(), "bench")
            subprocess.run(
                [sys.executable, "-m", "ndx_chassis.migrations", package],
                check=True,
                capture_output=True,
                cwd=ROOT,
                env={**os.environ, variable: url},
            )
            yield url, server.pid
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def population(file: Iterator[str] | None = None) -> Iterator[str]:
    """Serve a loaded database until the block ends, and give its URL.

    `file` is what is loaded instead of the usual people.
    """
    with database(FOLDER, "svc_population", "POPULATION_DATABASE_URL") as (url, _):
        loaded = asyncio.run(load_persons(url, file or lines(PEOPLE, seed=7), source="import:bench"))
        print(f"  {loaded.inserted:,} people loaded", flush=True)
        asyncio.run(execute(url, "VACUUM (ANALYZE) persons"))
        yield url


def fetch(url: str, statement: str, *values: Any) -> list[asyncpg.Record]:
    async def read() -> list[asyncpg.Record]:
        connection = await asyncpg.connect(url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement, *values)
            return rows
        finally:
            await connection.close()

    return asyncio.run(read())


def covered(operation: str, groups: list[FieldGroup]) -> tuple[Caller, Grant]:
    """Return a caller whom an agreement gives one operation in the whole country."""
    agreement = Agreement(
        agreement_id="DSA-G03-1",
        version=1,
        state=AgreementState.ACTIVE,
        consumer_agency="G03",
        consumer_name="Bảo hiểm xã hội",
        consumer_name_en="Social security",
        provider_agency="G01",
        operations=(OperationGrant(operation=operation, field_groups=tuple(groups)),),
        purposes=("SOCIAL_INSURANCE",),
        legal_basis=LegalBasis(text="Đo hiệu năng", reference="BENCH"),
        valid_from=date(2025, 1, 1),
        quotas=Quotas(),
    )
    caller = Caller(
        agency="G03",
        system="insurance-link",
        agreement=agreement.agreement_id,
        purpose="SOCIAL_INSURANCE",
        case_id=None,
        officer=None,
        request_id="01900000-0000-7000-8000-000000000000",
        operation=operation,
    )
    return caller, Grant(agreement, operation, frozenset(groups))
