"""HTTP door of the OSIA facades: paths and names of the standard below `/population/osia/<file>`."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from fastapi.responses import JSONResponse
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_chassis.disclosure import NO_STORE
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

from svc_population.matching.schemas import MOST_FOUND, SHOWN
from svc_population.osia import comparing, correcting, merging, numbering, registry, service
from svc_population.osia.answering import OsiaRoute, refuse
from svc_population.osia.attributes import attributes
from svc_population.osia.schemas import (
    MOST_ATTRIBUTES,
    AttributeName,
    Attributes,
    Expressions,
    IdentityId,
    IdentityPatchIn,
    TransactionId,
)

data_access = APIRouter(
    prefix="/population/osia/dataaccess/v1", tags=["osia-data-access"], route_class=OsiaRoute
)
numbers = APIRouter(prefix="/population/osia/uin/v1", tags=["osia-uin"], route_class=OsiaRoute)
population = APIRouter(prefix="/population/osia/pr/v1", tags=["osia-pr"], route_class=OsiaRoute)
_GROUPS = sorted({a.group for a in attributes().values()})
_COMPARED = sorted({a.group for a in attributes().values() if a.comparable})
_SHOWN = sorted({a.group for a in attributes().values()} & set(SHOWN))
QUERY_COST = 5
_SECRET = {"Cache-Control": "no-store"}
_FREE: dict[str, Any] = {
    "parameters": [
        {
            "name": "attributes",
            "in": "query",
            "required": True,
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
            "description": "Attributes to search by, each as a parameter of its own; never an identifier.",
        }
    ]
}
Transaction = Annotated[TransactionId, Query(alias="transactionId")]
Offset = Annotated[int, Query(ge=0, le=MOST_FOUND)]
Limit = Annotated[int, Query(ge=1, le=MOST_FOUND)]
Names = Annotated[list[AttributeName], Query(max_length=MOST_ATTRIBUTES)]


async def _transaction(_transaction: Transaction) -> None:
    """Ask for what the standard has in every call; only what makes or merges something is told by it."""


_READS = [NO_STORE, Depends(_transaction)]
"""What declares a read: its answer is kept by nobody, its transaction is asked for and not looked at."""


@data_access.get(
    "/persons",
    openapi_extra=_FREE | operation(door="agency", personal_data=True, field_groups=_SHOWN, cost=QUERY_COST),
)
async def osia_query_person_list(
    *,
    request: Request,
    names: Names = [],  # noqa: B006 - FastAPI copies it
    offset: Offset = 0,
    limit: Limit = 100,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> Response:
    """queryPersonList: find persons by name with a birth date or a commune; numbers, or named attributes."""
    stated = [(name, v) for name, v in request.query_params.multi_items() if name not in service.RESERVED]
    found = await service.query(
        session,
        runtime,
        caller=caller,
        grant=grant,
        stated=stated,
        names=names,
        offset=offset,
        limit=limit,
    )
    return Response(found, media_type="application/json", headers=_SECRET)


@data_access.get(
    "/persons/{uin}", openapi_extra=operation(door="agency", personal_data=True, field_groups=_GROUPS)
)
async def osia_read_person_attributes(
    *,
    uin: PersonalId,
    names: Annotated[
        list[AttributeName], Query(alias="attributeNames", min_length=1, max_length=MOST_ATTRIBUTES)
    ],
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> Response:
    """readPersonAttributes: the named attributes; an unknown one has an error as its value."""
    found = await service.read_attributes(runtime, caller=caller, grant=grant, uin=uin, names=names)
    return Response(found, media_type="application/json", headers=_SECRET)


@data_access.post(
    "/persons/{uin}/match",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_COMPARED, changes="NOTHING"),
    dependencies=[NO_STORE],
)
async def osia_match_person_attributes(
    *,
    uin: PersonalId,
    body: Attributes,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> list[dict[str, Any]]:
    """matchPersonAttributes: the attributes that differ; an empty list is a match."""
    return await comparing.match(session, runtime, caller=caller, grant=grant, uin=uin, values=body)


@data_access.post(
    "/persons/{uin}/verify",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_COMPARED, changes="NOTHING"),
    dependencies=[NO_STORE],
)
async def osia_verify_person_attributes(
    *,
    uin: PersonalId,
    body: Expressions,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> bool:
    """verifyPersonAttributes: whether all expressions are true."""
    return await comparing.verify(session, runtime, caller=caller, grant=grant, uin=uin, expressions=body)


@numbers.post(
    "/uin",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=[FieldGroup.PERSONAL_ID]),
)
async def osia_generate_uin(
    *,
    transaction: Transaction,
    body: Attributes,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> Response:
    """generateUIN: a number for a newborn, as a JSON string; the same transaction has the same answer."""
    number, refusal = await numbering.generate(
        session, runtime, caller=caller, grant=grant, transaction=transaction, values=body
    )
    # A refusal is kept with its record, so it is answered and not raised.
    return JSONResponse(number if refusal is None else refusal, 200 if refusal is None else 400, _SECRET)


@population.post(
    "/persons",
    openapi_extra=operation(
        door="agency", personal_data=True, field_groups=_SHOWN, cost=QUERY_COST, changes="NOTHING"
    ),
    dependencies=_READS,
)
async def osia_find_persons(
    *,
    body: Expressions,
    group: bool = False,
    reference: bool = True,
    gallery: Annotated[str | None, Query(max_length=64)] = None,
    offset: Offset = 0,
    limit: Limit = 100,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> list[dict[str, str]]:
    """findPersons: those whose record of today fits; earlier versions are not searched."""
    registry.refuse_other_searches(reference=reference, gallery=gallery)
    return await registry.find_persons(
        session,
        runtime,
        caller=caller,
        grant=grant,
        expressions=body,
        group=group,
        offset=offset,
        limit=limit,
    )


@population.get(
    "/persons/{personId}",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=registry.STATUS_GROUPS),
    dependencies=_READS,
)
async def osia_read_person(
    *,
    person_id: Annotated[PersonalId, Path(alias="personId")],
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> dict[str, str]:
    """readPerson: number and statuses."""
    return await registry.read_person(runtime, caller=caller, grant=grant, person_id=person_id)


@population.post(
    "/persons/{personIdTarget}/merge/{personIdSource}",
    status_code=204,
    openapi_extra=operation(
        door="agency", personal_data=True, field_groups=[FieldGroup.PERSONAL_ID], changes="UNANNOUNCED"
    ),
)
async def osia_merge_person(
    *,
    target: Annotated[PersonalId, Path(alias="personIdTarget")],
    source: Annotated[PersonalId, Path(alias="personIdSource")],
    transaction: Transaction,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> Response:
    """mergePerson: propose that two records are one; 204 once another officer has approved it elsewhere."""
    told = await merging.merge(
        session, runtime, caller=caller, grant=grant, transaction=transaction, target=target, source=source
    )
    # A proposal is kept with its record, so it is answered and not raised.
    return Response(status_code=204, headers=_SECRET) if told is None else JSONResponse(told, 400, _SECRET)


@population.get(
    "/persons/{personId}/identities",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=registry.VERSION_GROUPS),
    dependencies=_READS,
)
async def osia_read_identities(
    *,
    person_id: Annotated[PersonalId, Path(alias="personId")],
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> list[dict[str, Any]]:
    """readIdentities: the versions of the record, as far as the agreement covers them."""
    return await registry.read_identities(session, runtime, caller=caller, grant=grant, person_id=person_id)


@population.get(
    "/persons/{personId}/identities/{identityId}",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=registry.VERSION_GROUPS),
    dependencies=_READS,
)
async def osia_read_identity(
    *,
    person_id: Annotated[PersonalId, Path(alias="personId")],
    identity_id: Annotated[IdentityId, Path(alias="identityId")],
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> dict[str, Any]:
    """readIdentity: one version of the record."""
    return await registry.read_identity(
        session, runtime, caller=caller, grant=grant, person_id=person_id, number=int(identity_id)
    )


@population.patch(
    "/persons/{personId}/identities/{identityId}",
    status_code=204,
    openapi_extra=operation(door="agency", personal_data=True, field_groups=registry.VERSION_GROUPS),
)
async def osia_partial_update_identity(
    *,
    person_id: Annotated[PersonalId, Path(alias="personId")],
    identity_id: Annotated[IdentityId, Path(alias="identityId")],
    transaction: Transaction,
    body: IdentityPatchIn,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> Response:
    """partialUpdateIdentity: change the record by its source, on the version that was read."""
    del transaction
    await correcting.change(
        session,
        runtime,
        caller=caller,
        grant=grant,
        person_id=person_id,
        number=int(identity_id),
        patch=body,
    )
    return Response(status_code=204, headers=_SECRET)


@population.get(
    "/persons/{personId}/reference",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=registry.VERSION_GROUPS),
    dependencies=_READS,
)
async def osia_read_reference(
    *,
    person_id: Annotated[PersonalId, Path(alias="personId")],
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> dict[str, Any]:
    """readReference: what the record says today."""
    return await registry.read_identity(
        session, runtime, caller=caller, grant=grant, person_id=person_id, number=None
    )


refuse(data_access, "dataaccess")
refuse(population, "pr")
