"""The clock door and leadership: work that must run in one process of a service at a time."""

import asyncio
import contextlib
import zlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg

from ndx_chassis.errors import DomainError
from ndx_chassis.metrics import Metrics
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log

if TYPE_CHECKING:
    from ndx_chassis.app import Runtime


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again, `every` seconds after the last run ended."""

    name: str
    every: float
    run: Callable[["Runtime"], Awaitable[object]]


async def run_job(runtime: "Runtime", job: Job) -> None:
    """Repeat one job until cancelled; a failure is logged and the next run comes as usual."""
    while True:
        try:
            await job.run(runtime)
        except asyncio.CancelledError:
            raise
        except DomainError as error:
            log.warning("job_refused", job=job.name, code=error.code)
        except Exception as error:  # noqa: BLE001 - the job's next run must come
            if is_connection_trouble(error) or isinstance(error, asyncpg.PostgresConnectionError):
                log.warning("job_interrupted", job=job.name, error=type(error).__name__)
            else:
                log.error("job_crashed", job=job.name, error=type(error).__name__, where=where(error))
        await asyncio.sleep(job.every)


async def lead(
    service: str, dsn: str, tasks: Sequence[Callable[[], Awaitable[None]]], metrics: Metrics
) -> None:
    """Run the tasks while this process holds the service's advisory lock; try for ever to hold it."""
    key = zlib.crc32(f"ndx-leader:{service}".encode())
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await asyncio.sleep(0.5)
            continue
        try:
            if await connection.fetchval("SELECT pg_try_advisory_lock($1)", key):
                metrics.leads = True
                await _run_while_connected(connection, tasks)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("leadership_lost", error=type(error).__name__)
        except Exception as error:  # noqa: BLE001 - relay and jobs must begin again, whatever ended one
            log.error("leading_task_crashed", error=type(error).__name__, where=where(error))
        finally:
            metrics.leads = False
            with contextlib.suppress(Exception):
                await connection.close(timeout=1)
        await asyncio.sleep(1.0)


async def _run_while_connected(
    connection: asyncpg.Connection, tasks: Sequence[Callable[[], Awaitable[None]]]
) -> None:
    running = [asyncio.ensure_future(task()) for task in tasks]
    try:
        while True:
            # Each task handles its own failures; one that ends anyway must not end unseen.
            done, _ = await asyncio.wait(running, timeout=2.0, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
            await connection.fetchval("SELECT 1", timeout=5)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
