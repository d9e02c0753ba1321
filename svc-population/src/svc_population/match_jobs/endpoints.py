"""HTTP door of match jobs: an agency uploads a file in parts, and fetches the result in parts."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Path, Request, Response, status
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.idempotency import IdempotencyKey

from svc_population.match_jobs import service
from svc_population.match_jobs.schemas import MOST_PARTS, MatchJobIn, MatchJobOut, PartOut
from svc_population.matching.schemas import MATCHED_BY
from svc_population.settings import settings_of

router = APIRouter(prefix="/population/v1/match-jobs", tags=["match-jobs"])
# Records of disclosure are written line by line as the job goes on; no answer of this door adds to them.
_CREATES = operation(field_groups=MATCHED_BY, changes="UNANNOUNCED")
_CHANGES = operation(changes="UNANNOUNCED")
_READS = operation()
_BINARY = {"requestBody": {"required": True, "content": {"application/octet-stream": {}}}}
PartNumber = Annotated[int, Path(ge=1, le=MOST_PARTS)]
ResultNumber = Annotated[int, Path(ge=1, le=2**31 - 1)]
"""A result can have many more parts than the upload: lines without a number go in small slices."""


@router.post("", status_code=status.HTTP_201_CREATED, openapi_extra=_CREATES)
async def create_match_job(
    *,
    body: MatchJobIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> MatchJobOut:
    """Announce a file of records to be matched."""
    return await service.create(
        session,
        settings_of(runtime),
        caller=caller,
        grant=grant,
        agreements=runtime.agreements,
        body=body,
        key=idempotency_key,
    )


@router.put("/{job_id}/parts/{number}", openapi_extra={**_CHANGES, **_BINARY})
async def put_match_job_part(
    *,
    job_id: UUID,
    number: PartNumber,
    request: Request,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    _grant: GrantDep,
    content_digest: Annotated[str | None, Header(max_length=200)] = None,
) -> PartOut:
    """Upload a part of at most 1 MiB; `Content-Digest: sha-256=:…:` (RFC 9530) is required."""
    return await service.put_part(
        session,
        settings_of(runtime),
        caller=caller,
        job_id=job_id,
        number=number,
        content=await request.body(),
        content_digest=content_digest,
    )


@router.post("/{job_id}/start", openapi_extra=_CHANGES)
async def start_match_job(
    job_id: UUID, session: SessionDep, runtime: RuntimeDep, caller: CallerDep, _grant: GrantDep
) -> MatchJobOut:
    """Say that all parts are there; matching begins."""
    return await service.start(session, settings_of(runtime), caller=caller, job_id=job_id)


@router.get("/{job_id}", openapi_extra=_READS)
async def get_match_job(
    job_id: UUID, session: SessionDep, caller: CallerDep, _grant: GrantDep
) -> MatchJobOut:
    """Show state, missing parts and progress."""
    return await service.show(session, caller=caller, job_id=job_id)


@router.post("/{job_id}/cancel", openapi_extra=_CHANGES)
async def cancel_match_job(
    job_id: UUID, session: SessionDep, caller: CallerDep, _grant: GrantDep
) -> MatchJobOut:
    """Stop a job; what it holds is erased within seconds."""
    return await service.cancel(session, caller=caller, job_id=job_id)


@router.get("/{job_id}/result/{number}", openapi_extra=_READS, response_class=Response)
async def get_match_job_result(
    *,
    job_id: UUID,
    number: ResultNumber,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    _grant: GrantDep,
) -> Response:
    """Fetch a part of the result: CSV; the parts one after the other are the whole."""
    content = await service.result(session, settings_of(runtime), caller=caller, job_id=job_id, number=number)
    return Response(content, media_type="text/csv; charset=utf-8", headers={"Cache-Control": "no-store"})
