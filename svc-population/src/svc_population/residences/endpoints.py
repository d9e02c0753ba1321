"""HTTP door of residences: the commune police register, change and end; who may read, reads the history."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_chassis.idempotency import IdempotencyKey
from ndx_contracts.personal_ids import PersonalId

from svc_population.persons.versions import IfMatch, version_of
from svc_population.residences import answers, correcting, service
from svc_population.residences.schemas import (
    ResidenceChangeIn,
    ResidenceCorrectionIn,
    ResidenceEndIn,
    ResidenceIn,
    ResidenceOut,
    ResidencesOut,
)
from svc_population.residences.vocabulary import GROUP_OF, ResidenceKind

router = APIRouter(
    prefix="/population/v1/persons/{personal_id}/residences", tags=["residences"], dependencies=[NO_STORE]
)
_DECLARED = operation(personal_data=True, field_groups=sorted(set(GROUP_OF.values())))


@router.post("", status_code=201, openapi_extra=_DECLARED)
async def register_residence(
    *,
    personal_id: PersonalId,
    body: ResidenceIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    if_match: IfMatch = None,
    idempotency_key: IdempotencyKey = None,
) -> ResidenceOut:
    """Register a residence, an absence or a stay; what runs of its kind ends on the eve."""
    return await service.register_residence(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        body=body,
        version=version_of(if_match),
        idempotency_key=idempotency_key,
    )


@router.get("", openapi_extra=_DECLARED)
async def list_residences(
    *,
    personal_id: PersonalId,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    kind: Annotated[list[ResidenceKind] | None, Query(description="All kinds when left out.")] = None,
    on: Annotated[date | None, Query(description="Only what was true on this day.")] = None,
    units_on: Annotated[date | None, Query(description="Units of this day in `place`; today.")] = None,
) -> ResidencesOut:
    """List a person's registrations of residence with their days, the newest first."""
    return await answers.list_residences(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        kinds=list(dict.fromkeys(kind or ResidenceKind)),
        on=on,
        units_on=units_on,
    )


@router.patch("/{residence_id}", openapi_extra=_DECLARED)
async def change_residence(
    *,
    personal_id: PersonalId,
    residence_id: UUID,
    body: ResidenceChangeIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    if_match: IfMatch = None,
) -> ResidenceOut:
    """Correct the address of a running registration, or move its planned end."""
    return await service.change_residence(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        residence_id=residence_id,
        body=body,
        version=version_of(if_match),
    )


@router.post("/{residence_id}/end", openapi_extra=_DECLARED)
async def end_residence(
    *,
    personal_id: PersonalId,
    residence_id: UUID,
    body: ResidenceEndIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    if_match: IfMatch = None,
) -> ResidenceOut:
    """Take a running registration off the register, also one that never was true."""
    return await service.end_residence(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        residence_id=residence_id,
        body=body,
        version=version_of(if_match),
    )


@router.post("/corrections", openapi_extra=_DECLARED)
async def correct_residences(
    *,
    personal_id: PersonalId,
    body: ResidenceCorrectionIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    if_match: IfMatch = None,
) -> ResidencesOut:
    """Correct where a person was registered on past days; the dossier is in NDX-Case-Id."""
    return await correcting.correct_residences(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        body=body,
        version=version_of(if_match),
    )
