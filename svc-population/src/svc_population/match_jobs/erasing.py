"""Erases what match jobs hold of people, when their time is over or they were cancelled."""

import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import UUID

from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.match_jobs import repository
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.models import MatchJob
from svc_population.match_jobs.service import ENTITY, announce_end, caller_of, files_of
from svc_population.match_jobs.vocabulary import JobState
from svc_population.settings import settings_of


async def erase_due(runtime: Runtime) -> int:
    """Erase what jobs hold of people whose time is over, ended or not; return how many.

    What was uploaded for a job that has ended goes at once, whenever its result does.
    A job that stands still, as under an agreement that stays suspended, expires as one that is never started.
    Its end is committed before anything is erased, and erased it is until that is committed as well.
    """
    settings = settings_of(runtime)
    async with runtime.sessions() as session:
        due = await repository.expired(session)
        ended = await repository.ended(session)
    await asyncio.to_thread(_erase_uploads, [files_of(settings, job_id) for job_id in ended])
    for job_id in due:
        async with runtime.sessions() as session, session.begin():
            job = await _due(session, job_id)
            if job is None:
                continue  # it was started or went on meanwhile
            if not JobState(job.state).ended:
                await repository.change_job(
                    session,
                    job_id,
                    state=JobState.EXPIRED.value,
                    ended_at=datetime.now(UTC),
                    waiting_for=None,
                )
                await _audit_expiry(session, job)
                await announce_end(session, job_id)
        async with runtime.sessions() as session, session.begin():
            if await _due(session, job_id) is not None:
                # Under the lock, so that no part is put there afterwards.
                await asyncio.to_thread(files_of(settings, job_id).erase)
                await repository.forget(session, job_id, datetime.now(UTC))
    return len(due)


def _erase_uploads(ended: Iterable[JobFiles]) -> None:
    """Erase uploads that were to go with the end of their jobs, whose process was gone before it did so."""
    for files in ended:
        if files.holds_upload:
            files.erase_upload()


async def _due(session: AsyncSession, job_id: UUID) -> MatchJob | None:
    """Return a job whose time is over, locked."""
    job = await repository.job(session, job_id, lock=True)
    return None if job is None or job.erased_at is not None or job.expires_at > datetime.now(UTC) else job


async def _audit_expiry(session: AsyncSession, job: MatchJob) -> None:
    await record_audit(
        session, caller_of(job), action="match_job_expired", entity_type=ENTITY, entity_id=job.id
    )
