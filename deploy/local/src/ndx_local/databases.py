"""Command: one database and one role per service, with generated passwords."""

import asyncio
import json
import sys

import asyncpg

from ndx_local import postgres
from ndx_local.config import SERVICES, is_outside, passwords
from ndx_local.paths import StackPaths


async def create(name: str) -> None:
    """Create what is missing; what exists keeps its data and gets the current password."""
    paths = StackPaths(name)
    ports: dict[str, int] = json.loads(paths.ports.read_text())
    keys = passwords(paths)
    admin = postgres.database_url(ports["postgres"], "postgres", postgres.ADMIN, keys[postgres.ADMIN])
    connection = await asyncpg.connect(admin, timeout=10)
    try:
        for service in SERVICES:
            if is_outside(service):
                continue
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
