"""HTTP door of families: the civil registry records and ends relationships; who may read, reads them."""

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
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

from svc_population.families import ending, reading, service
from svc_population.families.schemas import (
    RelationshipEndIn,
    RelationshipIn,
    RelationshipOut,
    RelationshipsOut,
)

router = APIRouter(
    prefix="/population/v1/persons/{personal_id}/relationships", tags=["families"], dependencies=[NO_STORE]
)
_DECLARED = operation(personal_data=True, field_groups=[FieldGroup.FAMILY_RELATIONS])


@router.post("", status_code=201, openapi_extra=_DECLARED)
async def add_relationship(
    *,
    personal_id: PersonalId,
    body: RelationshipIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    idempotency_key: IdempotencyKey = None,
) -> RelationshipOut:
    """Record a mother, father, spouse or guardian of a person."""
    return await service.add_relationship(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        body=body,
        idempotency_key=idempotency_key,
    )


@router.get("", openapi_extra=_DECLARED)
async def list_relationships(
    *,
    personal_id: PersonalId,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
    on: Annotated[date | None, Query(description="Only what was true on this day.")] = None,
) -> RelationshipsOut:
    """List relatives of today, children and wards among them, and former ones with their days."""
    return await reading.list_relationships(
        session, runtime, caller=caller, grant=grant, personal_id=personal_id, on=on
    )


@router.post("/{relationship_id}/end", openapi_extra=_DECLARED)
async def end_relationship(
    *,
    personal_id: PersonalId,
    relationship_id: UUID,
    body: RelationshipEndIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> RelationshipOut:
    """End a relationship of today: divorce, annulment, another parent, the end of a guardianship."""
    return await ending.end_relationship(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        relationship_id=relationship_id,
        body=body,
    )
