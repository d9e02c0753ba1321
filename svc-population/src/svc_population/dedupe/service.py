"""Use case: read everybody, compare, open a case for each pair that people should look at, leave no trace.

What the engine works on lies in a folder that only this user may read; it is erased at the end, and what a
killed run left there before the next one reads anybody. Such a run is simply repeated: pairs that have a case
already, also one that was decided long ago, get no other.
"""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from ndx_chassis.telemetry import log
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_population.admin_units.service import today
from svc_population.dedupe import reading, repository
from svc_population.dedupe.engines import DuckDb, Pair, open_engine
from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.model import Model
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.vocabulary import EngineName, RunState, Zone
from svc_population.reconciliation import duplicates
from svc_population.reconciliation.duplicates import Suspected

OWNER = "G01"
"""Ministry of Public Security: whose register this is, and who suspects the duplicates in it."""
BATCH = 200
"""Pairs of one transaction."""
_ENTITY = "dedupe-run"
_MARK = "ndx-dedupe"


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a run, under which dossier, and on which engine."""

    officer: str
    case_id: str
    engine: EngineName = EngineName.DUCKDB
    memory: str = "4GB"
    threads: int = field(default_factory=all_cores)
    master: str = "local[*]"


@dataclass(slots=True)
class Found:
    """What a run read and found."""

    id: UUID
    persons: int = 0
    sure: int = 0
    review: int = 0
    opened: int = 0
    known: int = 0
    deferred: int = 0


async def find_duplicates(
    sessions: async_sessionmaker[AsyncSession],
    dsn: str,
    folder: Path,
    *,
    model: Model,
    asked: Asked,
    reading_from: str | None = None,
) -> Found:
    """Run the search once; people are read from `reading_from`, a copy of the database, where there is one.

    Raises:
        DedupeRefused: another run is on, or the folder holds something else.
    """
    async with repository.alone(dsn):
        prepare(folder)
        try:
            async with sessions() as session, session.begin():
                run = await _begun(session, model, asked)
            try:
                return await _searched(
                    sessions, run, dsn=reading_from or dsn, folder=folder, model=model, asked=asked
                )
            except BaseException as error:
                async with sessions() as session, session.begin():
                    await _ended(session, run, asked, RunState.FAILED)
                log.warning("dedupe_run_failed", run_id=str(run.id), error=type(error).__name__)
                raise
        finally:
            erase(folder)


async def train(
    sessions: async_sessionmaker[AsyncSession],
    dsn: str,
    folder: Path,
    *,
    model: Model,
    asked: Asked,
    reading_from: str | None = None,
) -> Model:
    """Return the model with what strangers have in common in this register; nobody's data is in it.

    Raises:
        DedupeRefused: as `find_duplicates`.
    """
    run_id = new_id()
    async with repository.alone(dsn):
        prepare(folder)
        try:
            engine = DuckDb(folder, memory=asked.memory, threads=asked.threads)
            try:
                persons = await reading.stream(reading_from or dsn, engine.take)
                chances = engine.sampled(model)
            finally:
                engine.close()
        finally:
            erase(folder)
        async with sessions() as session, session.begin():
            await _audit(
                session, run_id, asked, "dedupe_model_trained", {"persons": persons, "model": model.version}
            )
    day = today().isoformat()
    origin = f"u: random pairs of {persons} people on {day}; m and zones of {model.version}"
    return model.with_chances(chances, version=_next_version(model.version, day), origin=origin)


def _next_version(version: str, day: str) -> str:
    same_day, _, number = version.partition(".")
    return f"{day}.{int(number or 0) + 1}" if same_day == day else f"{day}.1"


def prepare(folder: Path) -> None:
    """Make the work folder for this user alone, without what a killed run left.

    Raises:
        DedupeRefused: the folder holds something that no run put there.
    """
    mark = folder / _MARK
    if folder.exists() and not mark.exists() and any(folder.iterdir()):
        raise DedupeRefused(f"{folder} holds other files: name an empty folder in POPULATION_DEDUPE_FOLDER")
    erase(folder)
    folder.mkdir(mode=0o700, parents=True)
    folder.chmod(0o700)
    mark.touch(mode=0o600)
    # Whatever the engines create is for this user alone, too.
    os.umask(0o077)


def erase(folder: Path) -> None:
    """Erase what lies in the work folder."""
    shutil.rmtree(folder, ignore_errors=True)


async def _searched(
    sessions: async_sessionmaker[AsyncSession],
    run: Found,
    *,
    dsn: str,
    folder: Path,
    model: Model,
    asked: Asked,
) -> Found:
    engine = open_engine(
        asked.engine, folder, memory=asked.memory, threads=asked.threads, master=asked.master
    )
    try:
        run.persons = await reading.stream(dsn, engine.take)
        log.info("dedupe_persons_read", run_id=str(run.id), persons=run.persons)
        pairs = engine.pairs(model)
        while batch := list(islice(pairs, BATCH)):
            async with sessions() as session, session.begin():
                await _open(session, run, asked, batch)
    finally:
        engine.close()
    async with sessions() as session, session.begin():
        await _ended(session, run, asked, RunState.FINISHED)
    log.info("dedupe_run_finished", run_id=str(run.id), opened=run.opened)
    return run


async def _begun(session: AsyncSession, model: Model, asked: Asked) -> Found:
    interrupted = await repository.interrupt_others(session)
    run = DedupeRun(
        id=new_id(),
        state=RunState.RUNNING.value,
        engine=asked.engine.value,
        model_version=model.version,
        officer=asked.officer,
        case_id=asked.case_id,
    )
    await repository.add(session, run)
    details: dict[str, object] = {"engine": run.engine, "model": model.version, "interrupted": interrupted}
    await _audit(session, run.id, asked, "dedupe_run_started", details)
    return Found(run.id)


async def _ended(session: AsyncSession, found: Found, asked: Asked, state: RunState) -> None:
    run = await repository.run(session, found.id)
    run.state, run.finished_at = state.value, func.clock_timestamp()
    run.persons = found.persons
    counts: dict[str, object] = {"persons": found.persons, **_counts(found)}
    for name, value in _counts(found).items():
        setattr(run, name, value)
    await _audit(session, run.id, asked, "dedupe_run_ended", {"state": state.value, **counts})


def _counts(found: Found) -> dict[str, int]:
    return {name: getattr(found, name) for name in ("sure", "review", "opened", "known", "deferred")}


async def _open(session: AsyncSession, run: Found, asked: Asked, batch: list[Pair]) -> None:
    opened = await duplicates.open_suspected(session, _caller(run.id, asked), list(_suspected(batch)))
    run.opened += opened.new
    run.known += opened.known
    run.deferred += opened.deferred
    for pair in batch:
        if pair.zone is Zone.SURE:
            run.sure += 1
        else:
            run.review += 1


def _suspected(batch: list[Pair]) -> Iterator[Suspected]:
    for pair in batch:
        agreeing = tuple(f"{name}: {level}" for name, level in pair.levels.items() if level != "UNKNOWN")
        yield Suspected(pair.one, pair.other, (f"zone: {pair.zone}", f"weight: {pair.weight:.1f}", *agreeing))


async def _audit(
    session: AsyncSession, run_id: UUID, asked: Asked, action: str, details: dict[str, object]
) -> None:
    await record_audit(
        session,
        _caller(run_id, asked),
        action=action,
        entity_type=_ENTITY,
        entity_id=run_id,
        details=details,
    )


def _caller(run_id: UUID, asked: Asked) -> Caller:
    return Caller(
        agency=OWNER,
        system="dedupe",
        agreement="",
        purpose="",
        case_id=asked.case_id,
        officer=asked.officer,
        request_id=str(run_id),
        operation="population.find_duplicates",
    )
