"""Use cases of match jobs: announce a file, upload it in parts, start, look, cancel, fetch the result."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import AgreementBook, Grant, PurposeNotCovered
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.match_jobs import columnar, events, repository
from svc_population.match_jobs.errors import (
    BatchNotCovered,
    FileFormatNotServed,
    FileIncomplete,
    MatchJobNotFound,
    MatchJobStateWrong,
    PartDiffers,
    PartDigestWrong,
    TooManyMatchJobs,
)
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.models import MatchJob
from svc_population.match_jobs.schemas import CaseCountsOut, LineCountsOut, MatchJobIn, MatchJobOut, PartOut
from svc_population.match_jobs.vocabulary import FileFormat, JobState
from svc_population.settings import Settings

ENTITY = "match-job"
OPERATION = "population.create_match_job"
"""The operation whose grant decides what a job may state and learn, whichever is called."""
OPENING = "population.open_reconciliation_cases"
_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")


async def create(
    session: AsyncSession,
    settings: Settings,
    *,
    caller: Caller,
    grant: Grant,
    agreements: AgreementBook,
    body: MatchJobIn,
    key: str | None,
) -> MatchJobOut:
    """Announce a file; the same key with the same file gives the same job.

    Raises:
        PurposeNotCovered: there is none; the disclosure records of the lines need one.
        BatchNotCovered: the agreement asks for consents.
        FieldGroupNotCovered: a column states something that the agreement does not cover.
        FileFormatNotServed: this installation reads no Parquet.
        NoAgreement: the mismatches are to open cases, which the agreement does not cover.
        TooManyMatchJobs: the agency has enough unfinished ones.
    """
    if not caller.purpose:
        raise PurposeNotCovered
    if grant.agreement.conditions.consent_required:
        raise BatchNotCovered
    grant.require_field_groups(body.field_groups)
    if body.format is FileFormat.PARQUET and not columnar.is_served():
        raise FileFormatNotServed
    if body.opens_cases:
        opening_grant(agreements, caller, body)

    async def act() -> MatchJobOut:
        await repository.serialise(session, caller.agency)
        if await repository.open_jobs(session, caller.agency) >= settings.match_jobs_per_agency:
            raise TooManyMatchJobs(retry_after=600)
        job_id = new_id()
        await repository.add_job(
            session,
            {
                "id": job_id,
                "state": JobState.UPLOADING.value,
                "agency": caller.agency,
                "system": caller.system,
                "agency_class": caller.agency_class,
                "officer": caller.officer,
                "case_id": caller.case_id,
                "purpose": caller.purpose,
                "agreement": caller.agreement,
                "request_id": caller.request_id,
                "signed": caller.signed,
                "format": body.format.value,
                "compression": body.compression.value,
                "columns": [c.value for c in body.columns],
                "bytes": body.bytes,
                "sha256": body.sha256,
                "opens_cases": body.opens_cases,
                "expires_at": datetime.now(UTC) + timedelta(hours=settings.match_job_upload_hours),
            },
        )
        await _audit(session, caller, "match_job_created", job_id)
        return await _shown(session, await _mine(session, caller, job_id))

    return await once(session, caller, grant=grant, key=key, request=body, response_type=MatchJobOut, act=act)


def opening_grant(agreements: AgreementBook, caller: Caller, body: MatchJobIn) -> Grant:
    """Return the grant under which a job's mismatches become cases: that of opening them by a call.

    Raises:
        DomainError: the agreement does not cover it, or not the fields of this file.
    """
    grant = agreements.grant(opener(caller))
    grant.require_field_groups(body.disputable)
    return grant


def opener(caller: Caller) -> Caller:
    """Return the caller as if they opened the cases themselves."""
    return replace(caller, operation=OPENING)


async def put_part(
    session: AsyncSession,
    settings: Settings,
    *,
    caller: Caller,
    job_id: UUID,
    number: int,
    content: bytes,
    content_digest: str | None,
) -> PartOut:
    """Store a part of the file; the same part again is no change.

    Raises:
        MatchJobNotFound, MatchJobStateWrong: there is no such job that waits for parts.
        PartDigestWrong: the content is empty, or not what the header says.
        PartDiffers: another content came under this number before.
        FileStorageFull: the disk has no room.
    """
    digest = hashlib.sha256(content)
    said = _DIGEST.search(content_digest or "")
    if not content or said is None or base64.b64decode(said[1]) != digest.digest():
        raise PartDigestWrong
    job = await _mine(session, caller, job_id, lock=True)
    if job.state != JobState.UPLOADING:
        raise MatchJobStateWrong(job.state)
    there = await repository.part(session, job_id, number)
    shown = PartOut(number=number, bytes=len(content), sha256=digest.hexdigest())
    if there is not None:
        if there.sha256 != shown.sha256:
            raise PartDiffers
        return shown
    _, size, _, _ = await repository.uploaded(session, job_id)
    if size + len(content) > job.bytes:
        raise FileIncomplete("More bytes came than were announced.")
    files = files_of(settings, job_id)
    files.write(files.part(number), content)
    await repository.add_part(
        session,
        {"job_id": job_id, "number": number, "bytes": shown.bytes, "sha256": shown.sha256},
    )
    await _audit(session, caller, "match_job_part_stored", job_id)
    return shown


async def start(session: AsyncSession, settings: Settings, *, caller: Caller, job_id: UUID) -> MatchJobOut:
    """Say that the file is whole; matching begins in the background. A repeat changes nothing.

    Raises:
        FileIncomplete: parts are missing.
    """
    job = await _mine(session, caller, job_id, lock=True)
    if job.state == JobState.UPLOADING:
        number, size, last, missing = await repository.uploaded(session, job_id)
        if missing or number != last or size != job.bytes:
            raise FileIncomplete(f"{size} of {job.bytes} bytes have come; {len(missing)} parts are missing.")
        stalled = datetime.now(UTC) + timedelta(days=settings.match_job_stalled_days)
        await repository.change_job(session, job_id, state=JobState.QUEUED.value, expires_at=stalled)
        await _audit(session, caller, "match_job_started", job_id)
    elif job.state not in {JobState.QUEUED, JobState.RUNNING, JobState.FINISHED}:
        raise MatchJobStateWrong(job.state)
    return await show(session, caller=caller, job_id=job_id)


async def show(session: AsyncSession, *, caller: Caller, job_id: UUID) -> MatchJobOut:
    return await _shown(session, await _mine(session, caller, job_id))


async def cancel(session: AsyncSession, *, caller: Caller, job_id: UUID) -> MatchJobOut:
    """Stop a job; a repeat changes nothing. What it holds can be asked for no more, and is erased in seconds.

    Files do not come back with a transaction that fails: `erasing.erase_due` erases them when this one is
    committed.

    Raises:
        MatchJobStateWrong: it has ended otherwise.
    """
    job = await _mine(session, caller, job_id, lock=True)
    if job.state != JobState.CANCELLED:
        if JobState(job.state).ended:
            raise MatchJobStateWrong(job.state)
        now = datetime.now(UTC)
        await repository.change_job(
            session, job_id, state=JobState.CANCELLED.value, ended_at=now, expires_at=now, waiting_for=None
        )
        await announce_end(session, job_id)
        await _audit(session, caller, "match_job_cancelled", job_id)
    return await show(session, caller=caller, job_id=job_id)


async def result(
    session: AsyncSession, settings: Settings, *, caller: Caller, job_id: UUID, number: int
) -> bytes:
    """Return a part of the result, as soon as it is there; each fetch is audited.

    Raises:
        MatchJobNotFound: there is no such job, or no such part of its result (any more).
    """
    job = await _mine(session, caller, job_id)
    if not 1 <= number <= job.parts_to_fetch:
        raise MatchJobNotFound
    files = files_of(settings, job_id)
    try:
        content = files.result(number).read_bytes()
    except FileNotFoundError:
        raise MatchJobNotFound from None
    await _audit(session, caller, "match_job_result_fetched", job_id)
    return content


async def mismatches(
    session: AsyncSession, job_id: UUID, *, after: int = 0, limit: int = 1000
) -> Sequence[Row[Any]]:
    """Return lines whose number is somebody's but which say something else: where reconciliation begins."""
    return await repository.mismatches(session, job_id, after=after, limit=limit)


async def announce_end(session: AsyncSession, job_id: UUID) -> None:
    """Tell the agency whose job has ended, in the transaction that ends it."""
    job = await repository.job(session, job_id)
    if job is not None:
        await publish(session, events.match_job_ended(job))


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


def files_of(settings: Settings, job_id: UUID) -> JobFiles:
    return JobFiles(settings.match_job_folder, job_id)


async def _mine(session: AsyncSession, caller: Caller, job_id: UUID, *, lock: bool = False) -> MatchJob:
    job = await repository.job(session, job_id, lock=lock)
    if job is None or (job.agency, job.agreement) != (caller.agency, caller.agreement):
        raise MatchJobNotFound
    return job


async def _shown(session: AsyncSession, job: MatchJob) -> MatchJobOut:
    number, size, _, missing = await repository.uploaded(session, job.id)
    done = JobState(job.state).ended or job.state != JobState.UPLOADING
    return MatchJobOut(
        id=job.id,
        state=JobState(job.state),
        waiting_for=job.waiting_for,
        fault=job.fault,
        bytes=job.bytes,
        bytes_uploaded=job.bytes if done and not number else size,
        parts=number,
        missing_parts=tuple(missing),
        counts=LineCountsOut(
            lines=job.lines,
            matched=job.matched,
            mismatch=job.mismatch,
            ambiguous=job.ambiguous,
            not_found=job.not_found,
            invalid=job.invalid,
        ),
        opens_cases=job.opens_cases,
        cases=CaseCountsOut(opened=job.cases_opened, known=job.cases_known),
        result_parts=job.parts_to_fetch,
        created_at=job.created_at,
        ended_at=job.ended_at,
        expires_at=job.expires_at,
    )


async def _audit(session: AsyncSession, actor: Actor, action: str, job_id: UUID) -> None:
    await record_audit(session, actor, action=action, entity_type=ENTITY, entity_id=job_id)
