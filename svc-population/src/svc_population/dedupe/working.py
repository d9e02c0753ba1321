"""Use case: read everybody, compare, open a case for each pair that people should look at, leave no trace.

Each stage's result is one file in the work folder, and the run's row says how many of the pairs are settled:
that number and the cases of those pairs commit together. So a run whose process was killed is taken up behind
its last commit, by whoever runs next, and no pair is counted or opened twice. What lies in the folder is
erased when the run has ended, however it did; what cannot be erased is told and tried again.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from uuid import UUID

from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from ndx_chassis.problems import is_connection_trouble
from ndx_chassis.telemetry import log
from sqlalchemy import func
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from svc_population.dedupe import reading, repository
from svc_population.dedupe.engines import Engine, Pair, open_engine, pairs_of
from svc_population.dedupe.errors import DedupeRefused, RunCancelled
from svc_population.dedupe.model import Model
from svc_population.dedupe.models import DedupeRun
from svc_population.dedupe.vocabulary import EngineName, RunState, Stage, Zone
from svc_population.dedupe.workspace import NotErased, Workspace
from svc_population.operator_runs import service as operator_runs
from svc_population.reconciliation import duplicates
from svc_population.reconciliation.duplicates import Suspected

BATCH = 200
"""Pairs of one transaction."""
WATCH_SECONDS = 1.0
"""How often a long comparison is asked whether somebody cancelled it."""


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Asked:
    """Who wants a run, under which dossier, and how it is done."""

    officer: str
    case_id: str
    engine: EngineName = EngineName.DUCKDB
    memory: str = "4GB"
    threads: int = field(default_factory=all_cores)
    master: str = "local[*]"


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs are kept, read and worked on."""

    sessions: async_sessionmaker[AsyncSession]
    dsn: str
    folder: Path
    reading_from: str | None = None
    """A copy of the database to read people from, where there is one."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a run read and found, over all processes that worked on it."""

    id: UUID
    persons: int
    sure: int
    review: int
    opened: int
    known: int
    deferred: int
    resumed: int


async def find_duplicates(place: Place, *, model: Model, asked: Asked) -> Found:
    """Run the search, or go on with the one that was killed.

    Raises:
        DedupeRefused: another run is on, operators have asked for one, or the folder holds something else.
        NotErased: what is compared of everybody is still in the folder.
    """
    async with repository.alone(place.dsn):
        search = Search(place, model, asked)
        await search.begin(asked)
        return await search.finish()


async def work(place: Place, *, model: Model, asked: Asked) -> Found | None:
    """Do the run that operators approved, or go on with one that was killed; None when there is none.

    `asked` says how; officer and dossier are those of the run.

    Raises:
        DedupeRefused, NotErased: as `find_duplicates`.
    """
    async with repository.alone(place.dsn):
        search = Search(place, model, asked)
        if not await search.begin(None):
            await search.erase()
            return None
        return await search.finish()


class Search:
    """One run in one process."""

    def __init__(self, place: Place, model: Model, asked: Asked) -> None:
        self._place = place
        self._model = model
        self._asked = asked
        self._workspace = Workspace(place.folder)
        self._id = UUID(int=0)

    async def begin(self, wanted: Asked | None) -> bool:
        """Take up the run that has not ended, or begin the wanted one; False when there is nothing to do."""
        async with self._place.sessions() as session, session.begin():
            held, approved = await repository.open_run(session), None
            if held is None:
                pass
            elif held.state == RunState.CANCELLING:
                await self._end(session, held, RunState.CANCELLED)
            elif held.state == RunState.RUNNING:
                if await self._taken_up(session, held):
                    return True
                await self._end(session, held, RunState.INTERRUPTED)
                wanted, approved = wanted or Asked(held.officer, held.case_id), held.approved_by
            elif wanted is not None:
                raise DedupeRefused(
                    f"operators asked for a search that is {held.state}: let it run or cancel it"
                )
            elif held.state == RunState.APPROVED:
                await self._started(session, held)
                return True
            else:
                return False
            if wanted is None:
                return False
            run = DedupeRun(
                id=new_id(),
                state=RunState.APPROVED.value,
                engine=self._asked.engine.value,
                model_version=self._model.version,
                officer=wanted.officer,
                case_id=wanted.case_id,
                approved_by=approved,
            )
            await operator_runs.begin(session, run)
            await self._started(session, run)
            return True

    async def _started(self, session: AsyncSession, run: DedupeRun) -> None:
        self._workspace.begin(run.id)
        self._id = run.id
        run.state, run.stage = RunState.RUNNING.value, Stage.READING.value
        run.engine = self._asked.engine.value
        run.model_version, run.model_digest = self._model.version, self._model.digest
        run.started_at = run.progress_at = func.clock_timestamp()
        details: dict[str, object] = {"engine": run.engine, "model": run.model_version}
        await operator_runs.record(session, run.caller(), run, "started", details)

    async def _taken_up(self, session: AsyncSession, run: DedupeRun) -> bool:
        """Return whether the run goes on: behind its last commit, or anew if nothing of it is settled."""
        same = (run.model_digest, run.engine) == (self._model.digest, self._asked.engine.value)
        if same and self._workspace.take_up(run.id):
            stage = run.stage
        elif run.settled == 0:
            self._workspace.begin(run.id)
            stage = run.stage = Stage.READING.value
            run.persons = run.parts = run.compared = run.pairs = 0
            run.engine = self._asked.engine.value
            run.model_version, run.model_digest = self._model.version, self._model.digest
        else:
            return False
        self._id = run.id
        run.resumed += 1
        run.progress_at = func.clock_timestamp()
        details: dict[str, object] = {"stage": stage, "settled": run.settled}
        await operator_runs.record(session, run.caller(), run, "resumed", details)
        log.info("dedupe_run_resumed", run_id=str(run.id), stage=stage)
        return True

    async def finish(self) -> Found:
        """Do what is left of the run."""
        try:
            await self._search()
        except RunCancelled:
            state = RunState.CANCELLED
        except BaseException as error:
            # Without its database nothing can be said of the run: it stays as it is and goes on later.
            if not _is_away(error):
                async with self._place.sessions() as session, session.begin():
                    await self._end(session, await repository.run(session, self._id), RunState.FAILED)
                log.warning("dedupe_run_failed", run_id=str(self._id), error=type(error).__name__)
                await self.erase()
            raise
        else:
            state = RunState.FINISHED
        async with self._place.sessions() as session, session.begin():
            run = await repository.run(session, self._id)
            await self._end(session, run, state)
            found = _found(run)
        log.info("dedupe_run_finished", run_id=str(self._id), state=state.value, opened=found.opened)
        await self.erase()
        return found

    async def erase(self) -> None:
        """Erase the work files, and say of each run that ended that they are gone.

        Raises:
            NotErased: some are left; the log and the runs say so until another process has erased them.
        """
        try:
            self._workspace.erase()
        except NotErased:
            log.error("dedupe_files_not_erased", run_id=str(self._id))
            raise
        async with self._place.sessions() as session, session.begin():
            await repository.erased(session)

    async def _search(self) -> None:
        place, workspace = self._place, self._workspace
        if not workspace.people.exists():
            persons = await reading.stream(place.reading_from or place.dsn, workspace.take)
            async with self._going_on(Stage.COMPARING) as (_, run):
                run.persons = persons
            log.info("dedupe_persons_read", run_id=str(self._id), persons=persons)
        engine = open_engine(
            self._asked.engine,
            workspace,
            memory=self._asked.memory,
            threads=self._asked.threads,
            master=self._asked.master,
        )
        try:
            parts = await self._compare(engine, workspace.persons())
        finally:
            engine.close()
        for part in range(1, parts + 1):
            await self._open(part)

    async def _compare(self, engine: Engine, persons: int) -> int:
        parts, pairs = engine.parts(persons), 0
        for part in range(1, parts + 1):
            if not self._workspace.pairs(part).exists():
                comparing = asyncio.create_task(asyncio.to_thread(engine.compare, self._model, part, persons))
                while not (await asyncio.wait([comparing], timeout=WATCH_SECONDS))[0]:
                    async with self._place.sessions() as session:
                        if await repository.state(session, self._id) is RunState.CANCELLING:
                            engine.stop()
                await comparing
            pairs += self._workspace.counted(part)
            async with self._going_on(Stage.COMPARING if part < parts else Stage.OPENING) as (_, run):
                run.persons, run.parts, run.compared, run.pairs = persons, parts, part, pairs
        return parts

    async def _open(self, part: int) -> None:
        """Open the cases of a part's pairs that are not settled yet."""
        async with self._place.sessions() as session:
            run = await repository.run(session, self._id)
            after = run.settled - sum(self._workspace.counted(n) for n in range(1, part))
        pairs = pairs_of(self._model, self._workspace.rows(part, after=max(0, after)))
        while batch := list(islice(pairs, BATCH)):
            async with self._going_on(Stage.OPENING) as (session, run):
                await _settle(session, run, run.caller(), batch)

    @asynccontextmanager
    async def _going_on(self, stage: Stage) -> AsyncIterator[tuple[AsyncSession, DedupeRun]]:
        """Give a transaction in which the run gets further, unless somebody cancelled it."""
        async with self._place.sessions() as session, session.begin():
            run = await repository.run(session, self._id)
            if run.state == RunState.CANCELLING:
                raise RunCancelled
            yield session, run
            run.stage, run.progress_at = stage.value, func.clock_timestamp()

    async def _end(self, session: AsyncSession, run: DedupeRun, state: RunState) -> None:
        await operator_runs.end(session, run, state)
        await session.flush()
        await session.refresh(run)


def _found(run: DedupeRun) -> Found:
    return Found(run.id, **{name: getattr(run, name) for name in run.counted})


def _is_away(error: BaseException) -> bool:
    """Tell a database that is away from all else, such as a full disk, which no waiting mends."""
    return isinstance(error, ConnectionError) or (
        is_connection_trouble(error) and not isinstance(error, OSError)
    )


async def _settle(session: AsyncSession, run: DedupeRun, caller: Caller, batch: list[Pair | None]) -> None:
    pairs = [pair for pair in batch if pair is not None]
    opened = await duplicates.open_suspected(session, caller, list(_suspected(pairs)))
    run.opened += opened.new
    run.known += opened.known
    run.deferred += opened.deferred
    zones = Counter(pair.zone for pair in pairs)
    run.sure += zones[Zone.SURE]
    run.review += zones[Zone.REVIEW]
    run.rules = dict(Counter(run.rules) + Counter(pair.rule for pair in pairs))
    run.settled += len(batch)


def _suspected(pairs: list[Pair]) -> Iterator[Suspected]:
    for pair in pairs:
        agreeing = tuple(f"{name}: {level}" for name, level in pair.levels.items() if level != "UNKNOWN")
        yield Suspected(pair.one, pair.other, (f"zone: {pair.zone}", f"weight: {pair.weight:.1f}", *agreeing))
