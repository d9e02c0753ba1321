"""A running stack with enrolled agencies and 100,000 synthetic people, for the benchmarks over it."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

import asyncpg
from harness import ROOT, Load
from ndx_demo.enrolment import Credentials, Enrolment, declared, enrol
from ndx_demo.loading import load_population
from ndx_local import postgres
from ndx_local.stack import Stack

PEOPLE = int(os.environ.get("NDX_BENCH_PEOPLE", "100000"))
SAMPLING = 10
"""Percent of calls that Envoy traces, as in operation."""
QUOTA = {"per_second": 100_000, "burst": 200_000}
"""High enough that no agreement bounds what is measured; the buckets are counted all the same."""


class System:
    """What a benchmark needs of the running stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.description: dict[str, Any] = stack.description
        document = declared()
        for terms in document["agreements"]:
            terms["quotas"] = QUOTA
        self.enrolment: Enrolment = enrol(
            self.description["gateway_url"], self.description["citizen_url"], stack.paths.pki, document
        )
        loaded = load_population(stack, PEOPLE)
        self.people = loaded.people
        print(f"  {loaded}")

    def url(self, service: str) -> str:
        """Return the URL of a service's database."""
        return self.stack.env(service)[variable(service)]

    async def rows(self, service: str, sql: str, *values: Any) -> list[asyncpg.Record]:
        """Ask a service's database."""
        connection = await asyncpg.connect(self.url(service))
        try:
            found: list[asyncpg.Record] = await connection.fetch(sql, *values)
            return found
        finally:
            await connection.close()

    async def personal_ids(self, count: int) -> list[str]:
        """Return numbers of people of the population, in an order that no index has."""
        return await sample(self.url("population"), count, self.people)

    def pids(self, part: str) -> list[int]:
        """Return the process of a part; who watches it counts its children too."""
        return [int(self.stack.part(part)["pid"])]

    @cached_property
    def agreements(self) -> dict[str, list[str]]:
        return self.enrolment.agreements

    def through_gateway(
        self, system: str, requests: Sequence[bytes], *watch: str, once: bool = False
    ) -> Load:
        """Return load under a system's certificate through Envoy."""
        found: Credentials = self.enrolment.systems[system]
        return Load(
            port=self.description["ports"]["listener"],
            callers=[(found.certificate, found.key)],
            ca=found.ca,
            requests=[requests],
            once=once,
            watch={part: self.pids(part) for part in watch},
        )

    def to_service(self, service: str, requests: Sequence[bytes], *watch: str) -> Load:
        """Return load as the gateway sends it, without the gateway."""
        pki: Path = self.stack.paths.pki
        return Load(
            port=self.description["ports"][service],
            callers=[(pki / "gateway-client.crt", pki / "gateway-client.key")],
            ca=pki / "internal-ca.crt",
            name=f"{service}.ndx.internal",
            requests=[requests],
            watch={part: self.pids(part) for part in watch},
        )

    def run_sql_tool(self, tool: str, service: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs on a service's database; the password goes by the environment."""
        url = urlsplit(self.url(service))
        place = dict(parse_qsl(url.query))
        where = ["-h", place["host"], "-p", place["port"], "-U", str(url.username), url.path.lstrip("/")]
        done = subprocess.run(
            [str(postgres.binaries() / tool), *arguments, *where],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PGPASSWORD": unquote(url.password or "")},
        )
        return done.stdout


async def sample(url: str, count: int, people: int) -> list[str]:
    """Return the numbers of some of so many people, all over the table and in an order that no index has.

    Of a large table some pages are read, with five times as many people as are wanted.
    """
    share = min(100.0, 500 * count / people)
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetch(
            "SELECT personal_id FROM persons TABLESAMPLE SYSTEM ($1) REPEATABLE (1)"
            " ORDER BY hashtext(personal_id) LIMIT $2",
            share,
            count,
        )
        return [row["personal_id"] for row in found]
    finally:
        await connection.close()


async def _drop(admin: str, name: str, *then: str) -> None:
    connection = await asyncpg.connect(admin)
    try:
        for statement in (f"DROP DATABASE IF EXISTS {name} WITH (FORCE)", *then):
            await connection.execute(statement)
    finally:
        await connection.close()


def _admin(stack: Stack) -> str:
    keys = postgres.passwords(stack.paths.secrets, [postgres.ADMIN])
    port = stack.description["ports"]["postgres"]
    return postgres.database_url(port, "postgres", postgres.ADMIN, keys[postgres.ADMIN])


def drop(stack: Stack, name: str) -> None:
    """Remove a database that lies beside a service's own."""
    asyncio.run(_drop(_admin(stack), name))


def variable(service: str) -> str:
    return f"{service.upper().replace('-', '_')}_DATABASE_URL"


def beside(stack: Stack, service: str, name: str) -> str:
    """Return the URL of a database beside the service's own, for the same role."""
    return urlunsplit(urlsplit(stack.env(service)[variable(service)])._replace(path=f"/{name}"))


def migrated_copy(stack: Stack, service: str, package: str, name: str) -> str:
    """Make an empty database of a service's tables beside the service's own; return its URL."""
    url = beside(stack, service, name)
    role = str(urlsplit(url).username)
    asyncio.run(_drop(_admin(stack), name, f'CREATE DATABASE {name} OWNER "{role}"'))
    subprocess.run(
        [sys.executable, "-m", "ndx_chassis.migrations", package],
        check=True,
        capture_output=True,
        cwd=ROOT,
        env={**os.environ, **stack.env(service), variable(service): url},
    )
    return url
