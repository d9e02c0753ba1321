"""Command: one database and one role per service, with generated passwords."""

import asyncio
import json
import sys

import asyncpg

from ndx_local.config import SERVICES, passwords
from ndx_local.paths import StackPaths


async def _wait(dsn: str) -> asyncpg.Connection:
    for attempt in range(100):
        try:
            return await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.CannotConnectNowError):
            await asyncio.sleep(0.1)
        if attempt == 99:  # noqa: PLR2004 - the last of the attempts
            break
    raise SystemExit("PostgreSQL did not answer within 10 seconds")


async def create(name: str) -> None:
    """Create what is missing; what exists keeps its data and gets the current password."""
    paths = StackPaths(name)
    ports: dict[str, int] = json.loads(paths.ports.read_text())
    keys = passwords(paths)
    base = f"postgresql://postgres:{keys['postgres']}@127.0.0.1:{ports['postgres']}/postgres"
    connection = await _wait(base)
    try:
        for service in SERVICES:
            role = service.name.replace("-", "_")
            exists = await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role)
            secret = await connection.fetchval("SELECT quote_literal($1::text)", keys[service.name])
            verb = "ALTER" if exists else "CREATE"
            await connection.execute(f'{verb} ROLE "{role}" LOGIN PASSWORD {secret}')
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", role):
                await connection.execute(f'CREATE DATABASE "{role}" OWNER "{role}"')
                await connection.execute(f'REVOKE ALL ON DATABASE "{role}" FROM PUBLIC')
    finally:
        await connection.close()


if __name__ == "__main__":
    asyncio.run(create(sys.argv[1]))
