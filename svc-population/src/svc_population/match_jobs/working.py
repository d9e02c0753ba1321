"""Works on match jobs slice by slice: a slice's answers, their records and the job's place commit together.

Jobs take turns, a slice each, so a large file does not stand before a small one. A job whose agreement is
suspended or closed at this hour, or whose rows of the day are used up, waits and says so; one whose agreement
ended or does not cover it any more fails.
"""

import asyncio
import hashlib
from collections import defaultdict
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

from ndx_chassis.agreements import (
    VIETNAM,
    AgreementNotSynchronised,
    AgreementSuspended,
    Grant,
    OutsideAgreedHours,
)
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError
from ndx_chassis.telemetry import log

from svc_population.match_jobs import repository
from svc_population.match_jobs.errors import BatchRowsExceeded, FileStorageFull
from svc_population.match_jobs.feed import Batch, Feed
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.models import MatchJob
from svc_population.match_jobs.reading import FileRefused
from svc_population.match_jobs.schemas import MatchJobIn
from svc_population.match_jobs.service import ENTITY, announce_end, caller_of, files_of, opening_grant
from svc_population.match_jobs.slices import LookAgain, Slice, announced
from svc_population.match_jobs.turns import Lane, Settling, Turn
from svc_population.match_jobs.vocabulary import (
    Compression,
    FileFault,
    FileFormat,
    JobState,
    MatchColumn,
)
from svc_population.settings import settings_of

_WAITS = (
    AgreementNotSynchronised,
    AgreementSuspended,
    OutsideAgreedHours,
    BatchRowsExceeded,
    FileStorageFull,
)


async def work(runtime: Runtime) -> int:
    """Work on all jobs until none can go on; return how many slices were done.

    A job that crashes does not keep the others waiting; its error is raised when they are done.
    """
    return await _Work(runtime).through()


@dataclass(slots=True)
class _Work:
    """One run over all jobs: each in its lane, and a few slices of all of them at the same time."""

    runtime: Runtime
    lanes: dict[UUID, Lane] = field(default_factory=dict)
    settling: defaultdict[str, Settling] = field(default_factory=lambda: defaultdict(Settling))
    crashed: dict[UUID, Exception] = field(default_factory=dict)
    running: set["asyncio.Task[None]"] = field(default_factory=set)
    done: int = 0

    async def through(self) -> int:
        try:
            while True:
                began = await self._round()
                if self.running and (not began or self._is_full()):
                    await self._one_ends()
                elif not began:
                    break
        finally:
            for task in self.running:
                task.cancel()
            await asyncio.gather(*self.running, return_exceptions=True)
        for first in self.crashed.values():
            raise first
        return self.done

    def _is_full(self) -> bool:
        return len(self.running) >= settings_of(self.runtime).match_job_lanes

    async def _one_ends(self) -> None:
        ended, self.running = await asyncio.wait(self.running, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.result()

    async def _round(self) -> bool:
        """Begin a slice of each job that can go on, as far as there is room; tell whether one began."""
        async with self.runtime.sessions() as session:
            ids = await repository.jobs_to_work(session)
        began = False
        for job_id in ids:
            while self._is_full():
                await self._one_ends()
            lane = self._lane(job_id)
            if lane is not None:
                lane.in_work += 1
                self.running.add(asyncio.create_task(self._step(job_id, lane, lane.next_turn())))
                began = True
        return began

    def _lane(self, job_id: UUID) -> Lane | None:
        """Return the lane of a job that can go on; one that stopped rests, or is left for the next run."""
        lane = self.lanes.get(job_id)
        if job_id in self.crashed:
            return None
        if lane is None or (lane.at_end and not lane.in_work and lane.rested(others=bool(self.running))):
            lane = self.lanes[job_id] = Lane()
        return None if lane.at_end else lane

    async def _step(self, job_id: UUID, lane: Lane, turn: Turn) -> None:
        """Do one slice of a job."""
        settled = False
        try:
            settled = await self._do(job_id, lane, turn)
        except Exception as error:  # noqa: BLE001 - raised when the other jobs are done
            self.crashed[job_id] = error
        finally:
            lane.at_end = lane.at_end or not settled
            lane.in_work -= 1
            turn.end(settled=settled)

    async def _do(self, job_id: UUID, lane: Lane, turn: Turn) -> bool:
        """Tell whether the slice was done, and those after it can be."""
        job: MatchJob | None = None
        try:
            async with lane.reading:
                if lane.at_end:
                    return False
                async with self.runtime.sessions() as session:
                    job = await repository.job(session, job_id)
                if job is None or job.state not in {JobState.QUEUED, JobState.RUNNING}:
                    lane.stop()
                    return False
                terms = await _terms(self.runtime, job)
                read = await self._read(job, lane)
                lane.at_end = read[1]
            return await self._settle(job, terms, read, lane, turn)
        except (*_WAITS, FileRefused, FileNotFoundError, DomainError) as error:
            lane.at_end = True
            if job is not None and await turn.comes():
                lane.stop()
                self.done += await _stopped(self.runtime, job, error)
            return False

    async def _read(self, job: MatchJob, lane: Lane) -> tuple[Batch, bool]:
        if lane.feed is None:
            files = files_of(settings_of(self.runtime), job.id)
            async with self.runtime.sessions() as session:
                parts, *_ = await repository.uploaded(session, job.id)
            if not job.checked:
                await asyncio.to_thread(_check_digest, files, parts, job.sha256)
            lane.feed = _feed(job, files, parts)
        return await lane.feed.take()

    async def _settle(
        self, job: MatchJob, terms: "_Terms", read: tuple[Batch, bool], lane: Lane, turn: Turn
    ) -> bool:
        """Answer a slice when its turn comes; tell whether those after it can go on from its end."""
        settling = self.settling[job.agency]
        made = partial(
            Slice,
            settings=settings_of(self.runtime),
            job=job,
            caller=terms.caller,
            grant=terms.grant,
            files=files_of(settings_of(self.runtime), job.id),
            batch=read[0],
            last=read[1],
            settling=settling,
            opening=terms.opening,
        )
        # Cases are opened when the turn has come: others wait for their locks, which so are held briefly.
        with suppress(LookAgain):
            async with self.runtime.sessions() as session:
                one = made(session)
                await one.prepare()
                if not await turn.comes():
                    return False
                async with settling.lock:
                    return await self._commit(one, lane)
        if not await turn.comes():
            return False
        async with settling.lock:
            while True:
                with suppress(LookAgain):
                    async with self.runtime.sessions() as session:
                        one = made(session, alone=True)
                        await one.prepare()
                        return await self._commit(one, lane)

    async def _commit(self, one: Slice, lane: Lane) -> bool:
        ended = await one.settle()
        if ended is None:
            lane.stop()
            return False
        await one.session.commit()
        one.settling.leave(one.added)
        self.done += 1
        self.runtime.nudge()
        if ended:
            one.files.erase_upload()
            log.info("match_job_ended", job_id=str(one.job.id), state="FINISHED")
        # Where the rows of the day did not reach for all lines, those after them wait.
        return one.is_whole


@dataclass(frozen=True, slots=True)
class _Terms:
    """Under what a job is worked on at this moment."""

    caller: Caller
    grant: Grant
    opening: Grant | None


async def _terms(runtime: Runtime, job: MatchJob) -> _Terms:
    """Return the terms of a job.

    Raises:
        DomainError: one of `_WAITS`, or why the agreement does not cover the job any more.
    """
    caller = caller_of(job)
    grant = runtime.agreements.grant(caller)
    body = MatchJobIn(**announced(job))
    grant.require_field_groups(body.field_groups)
    opening = opening_grant(runtime.agreements, caller, body) if job.opens_cases else None
    await _require_rows(runtime, caller, grant)
    return _Terms(caller, grant, opening)


async def _stopped(runtime: Runtime, job: MatchJob, error: Exception) -> bool:
    """Let a job wait or fail; tell whether it failed."""
    if isinstance(error, _WAITS):
        return await _wait(runtime, job, error.code)
    if isinstance(error, DomainError):
        return await _fail(runtime, job, error.code)
    fault = error.fault if isinstance(error, FileRefused) else FileFault.TRUNCATED
    return await _fail(runtime, job, fault.value)


def _feed(job: MatchJob, files: JobFiles, parts: int) -> Feed:
    return Feed(
        files,
        parts,
        Compression(job.compression),
        FileFormat(job.format),
        tuple(MatchColumn(c) for c in job.columns),
        job.position,
        job.lines,
    )


def _check_digest(files: JobFiles, parts: int, sha256: str) -> None:
    digest = hashlib.sha256()
    for block in files.blocks(parts):
        digest.update(block)
    if digest.hexdigest() != sha256:
        raise FileRefused(FileFault.DIGEST)


async def _require_rows(runtime: Runtime, caller: Caller, grant: Grant) -> None:
    """Refuse before a line is read when the rows of the day are used up."""
    quota = grant.agreement.quotas.batch_rows_per_day
    if quota is None:
        return
    day = datetime.now(VIETNAM).date()
    async with runtime.sessions() as session:
        if await repository.rows_seen(session, caller.agreement, caller.agency, day) >= quota:
            raise BatchRowsExceeded


async def _wait(runtime: Runtime, job: MatchJob, code: str) -> bool:
    if job.waiting_for != code:
        async with runtime.sessions() as session, session.begin():
            await repository.change_job(session, job.id, waiting_for=code)
        log.warning("match_job_paused", job_id=str(job.id), code=code)
    return False


async def _fail(runtime: Runtime, failed: MatchJob, fault: str) -> bool:
    """End a job that cannot be done; what it has answered stays until it expires."""
    settings, job_id = settings_of(runtime), failed.id
    now = datetime.now(UTC)
    async with runtime.sessions() as session, session.begin():
        job = await repository.job(session, job_id, lock=True)
        if job is None or JobState(job.state).ended:
            return False
        await repository.change_job(
            session,
            job_id,
            state=JobState.FAILED.value,
            fault=fault,
            waiting_for=None,
            ended_at=now,
            expires_at=now + timedelta(days=settings.match_job_result_days),
        )
        await announce_end(session, job_id)
        await record_audit(
            session,
            caller_of(failed),
            action="match_job_failed",
            entity_type=ENTITY,
            entity_id=job_id,
            details={"fault": fault},
        )
    files_of(settings, job_id).erase_upload()
    log.info("match_job_ended", job_id=str(job_id), state="FAILED", fault=fault)
    return True
