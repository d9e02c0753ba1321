"""Works on match jobs slice by slice: a slice's answers, their records and the job's place commit together.

Jobs take turns, a slice each, so a large file does not stand before a small one. A job whose agreement is
suspended or closed at this hour, or whose rows of the day are used up, waits and says so; one whose agreement
ended or does not cover it any more fails.
"""

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta
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
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.match_jobs import repository
from svc_population.match_jobs.errors import BatchRowsExceeded, FileStorageFull
from svc_population.match_jobs.feed import Feed
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.models import MatchJob
from svc_population.match_jobs.reading import FileRefused
from svc_population.match_jobs.schemas import MatchJobIn
from svc_population.match_jobs.service import ENTITY, OPERATION, announce_end, files_of, opening_grant
from svc_population.match_jobs.slices import Slice, announced
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
    feeds: dict[UUID, Feed] = {}
    crashed: dict[UUID, Exception] = {}
    done = 0
    while True:
        async with runtime.sessions() as session:
            ids = await repository.jobs_to_work(session)
        steps = []
        for job_id in ids:
            if job_id not in crashed:
                try:
                    steps.append(await _step(runtime, job_id, feeds))
                except Exception as error:  # noqa: BLE001 - raised below
                    crashed[job_id] = error
                    feeds.pop(job_id, None)
        if not any(steps):
            for first in crashed.values():
                raise first
            return done
        done += sum(steps)


async def _step(runtime: Runtime, job_id: UUID, feeds: dict[UUID, Feed]) -> bool:
    """Do one slice of a job; False when it cannot go on now."""
    async with runtime.sessions() as session:
        job = await repository.job(session, job_id)
        if job is None or job.state not in {JobState.QUEUED, JobState.RUNNING}:
            return False
        parts, *_ = await repository.uploaded(session, job_id)
    try:
        ended = await _next_slice(runtime, job, parts, feeds)
    except _WAITS as error:
        feeds.pop(job_id, None)
        return await _wait(runtime, job, error.code)
    except (FileRefused, FileNotFoundError) as error:
        fault = error.fault if isinstance(error, FileRefused) else FileFault.TRUNCATED
        return await _fail(runtime, job, fault.value)
    except DomainError as error:
        return await _fail(runtime, job, error.code)
    if ended is not False:
        feeds.pop(job_id, None)
    if ended:
        files_of(settings_of(runtime), job_id).erase_upload()
        log.info("match_job_ended", job_id=str(job_id), state="FINISHED")
    return ended is not None


async def _next_slice(runtime: Runtime, job: MatchJob, parts: int, feeds: dict[UUID, Feed]) -> bool | None:
    """Return whether the job has ended; None when somebody else works on it, or it was cancelled.

    Raises:
        DomainError: one of `_WAITS`, or why the agreement does not cover the job any more.
        FileRefused: the file as a whole cannot be matched.
    """
    settings, caller = settings_of(runtime), caller_of(job)
    files = files_of(settings, job.id)
    grant = runtime.agreements.grant(caller)
    body = MatchJobIn(**announced(job))
    grant.require_field_groups(body.field_groups)
    opening = opening_grant(runtime.agreements, caller, body) if job.opens_cases else None
    await _require_rows(runtime, caller, grant)
    if not job.checked:
        await asyncio.to_thread(_check_digest, files, parts, job.sha256)
    feed = feeds.get(job.id)
    if feed is None or feed.position != job.position:
        feed = feeds[job.id] = _feed(job, files, parts)
    batch = await feed.take()
    async with runtime.sessions() as session, session.begin():
        ended = await Slice(session, settings, job.id, caller, grant, feed, opening).answer(*batch)
    runtime.nudge()
    return ended


def caller_of(job: MatchJob) -> Caller:
    """Return who announced the job, as if they called now."""
    return Caller(
        agency=job.agency,
        system=job.system,
        agreement=job.agreement,
        purpose=job.purpose,
        case_id=job.case_id,
        officer=job.officer,
        request_id=job.request_id,
        operation=OPERATION,
        agency_class=job.agency_class,
        signed=job.signed,
    )


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


async def erase_due(runtime: Runtime) -> int:
    """Erase what jobs hold of people whose time is over, ended or not; return how many.

    A job that stands still, as under an agreement that stays suspended, expires as one that is never started.
    """
    settings = settings_of(runtime)
    async with runtime.sessions() as session:
        due = await repository.expired(session)
    for job_id in due:
        async with runtime.sessions() as session, session.begin():
            job = await repository.job(session, job_id, lock=True)
            now = datetime.now(UTC)
            if job is None or job.erased_at is not None or job.expires_at > now:
                continue  # it was started or went on meanwhile
            ended = JobState(job.state).ended
            if not ended:
                await repository.change_job(
                    session, job_id, state=JobState.EXPIRED.value, ended_at=now, waiting_for=None
                )
            await repository.forget(session, job_id, now)
            if not ended:
                await _audit_expiry(session, job)
                await announce_end(session, job_id)
            # Under the lock, so that no part is put there afterwards.
            files_of(settings, job_id).erase()
    return len(due)


async def _audit_expiry(session: AsyncSession, job: MatchJob) -> None:
    await record_audit(
        session, caller_of(job), action="match_job_expired", entity_type=ENTITY, entity_id=job.id
    )
