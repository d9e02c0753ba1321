"""A real PostgreSQL for tests: one server per run, one template database per service, a copy per test."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import psutil
from ndx_chassis import disclosure
from ndx_chassis.migrations import upgrade
from ndx_local.postgres import THROW_AWAY, initialise_copy, running

MEMORY = Path("/dev/shm")  # noqa: S108 - the folder of servers that only their owner enters
ROOM = 3 << 30  # bytes that must be free: a run takes a tenth of it
IN_MEMORY = {**THROW_AWAY, "max_wal_size": "256MB", "min_wal_size": "64MB"}


def _folder_in_memory() -> Path | None:
    """Return the memory's file system where there is room; folders of killed runs are removed first.

    Each test copies its database file by file: on a disk, finding free inodes was a quarter of a run's work.
    """
    if not MEMORY.is_dir():
        return None
    for left in MEMORY.glob("ndx-pg-*-*"):
        owner = left.name.split("-")[2]
        if owner.isdecimal() and not psutil.pid_exists(int(owner)):
            shutil.rmtree(left, ignore_errors=True)
    room = min(shutil.disk_usage(MEMORY).free, psutil.virtual_memory().available)
    return MEMORY if room >= ROOM else None


@contextmanager
def running_server() -> Iterator[str]:
    """Run a server in a folder of its own and give the URL of its maintenance database."""
    memory = _folder_in_memory()
    settings = THROW_AWAY if memory is None else IN_MEMORY
    with (
        tempfile.TemporaryDirectory(prefix=f"ndx-pg-{os.getpid()}-", dir=memory) as folder,
        running(Path(folder), settings=settings) as server,
    ):
        yield server.url()


@contextmanager
def running_copy(url: str) -> Iterator[str]:
    """Run a hot standby of a server and give the URL of its maintenance database."""
    with tempfile.TemporaryDirectory(prefix="ndx-pg-copy-") as folder:
        initialise_copy(Path(folder), url)
        with running(Path(folder)) as copy:
            yield url.replace(f":{urlsplit(url).port}/", f":{copy.port}/")


def named(url: str, database: str) -> str:
    """Return the URL of another database on the same server."""
    head, _, query = url.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{database}" + (f"?{query}" if query else "")


async def execute(url: str, statement: str) -> None:
    """Run one statement outside a transaction."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def make_template(url: str, package: str) -> str:
    """Create and migrate the template database of a service; return its name."""
    name = f"template_{package}_{uuid4().hex[:8]}"
    await execute(url, f'CREATE DATABASE "{name}"')
    return name


def migrate(url: str, package: str, database: str) -> None:
    """Bring a database to the newest schema with the service's own migrations."""
    target = named(url, database).replace("postgresql://", "postgresql+asyncpg://", 1)
    # Each test copies the database file by file, and each month has four: a test needs this and the next.
    with patch.object(disclosure, "MONTHS_AHEAD", 2):
        upgrade(package, target)


async def make_copy(url: str, template: str) -> str:
    """Create a fresh database from a template; return its URL."""
    name = f"test_{uuid4().hex[:12]}"
    await execute(url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    return named(url, name)


async def make_empty(url: str) -> str:
    """Create a database without any tables; return its URL."""
    name = f"test_{uuid4().hex[:12]}"
    await execute(url, f'CREATE DATABASE "{name}"')
    return named(url, name)


async def drop(url: str, database_url: str) -> None:
    """Remove a test's database, whoever is still connected."""
    name = database_url.partition("?")[0].rsplit("/", 1)[1]
    await execute(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
