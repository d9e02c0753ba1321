"""HTTP door of the OSIA facades: paths and names of the standard below `/population/osia/<file>`."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from ndx_chassis.agreements import GrantDep
from ndx_chassis.app import RuntimeDep, operation
from ndx_chassis.caller import CallerDep
from ndx_chassis.db import SessionDep
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId

from svc_population.matching.schemas import MOST_FOUND, SHOWN
from svc_population.osia import comparing, numbering, service
from svc_population.osia.answering import OsiaRoute
from svc_population.osia.attributes import attributes
from svc_population.osia.schemas import MOST_ATTRIBUTES, AttributeName, Attributes, Expressions, TransactionId

data_access = APIRouter(
    prefix="/population/osia/dataaccess/v1", tags=["osia-data-access"], route_class=OsiaRoute
)
numbers = APIRouter(prefix="/population/osia/uin/v1", tags=["osia-uin"], route_class=OsiaRoute)
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
Names = Annotated[list[AttributeName], Query(max_length=MOST_ATTRIBUTES)]


@data_access.get(
    "/persons",
    openapi_extra=_FREE | operation(door="agency", personal_data=True, field_groups=_SHOWN, cost=QUERY_COST),
)
async def osia_query_person_list(
    *,
    request: Request,
    names: Names = [],  # noqa: B006 - FastAPI copies it
    offset: Annotated[int, Query(ge=0, le=MOST_FOUND)] = 0,
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND)] = 100,
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
)
async def osia_match_person_attributes(
    *,
    uin: PersonalId,
    body: Attributes,
    response: Response,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> list[dict[str, Any]]:
    """matchPersonAttributes: the attributes that differ; an empty list is a match."""
    response.headers.update(_SECRET)
    return await comparing.match(session, runtime, caller=caller, grant=grant, uin=uin, values=body)


@data_access.post(
    "/persons/{uin}/verify",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=_COMPARED, changes="NOTHING"),
)
async def osia_verify_person_attributes(
    *,
    uin: PersonalId,
    body: Expressions,
    response: Response,
    session: SessionDep,
    runtime: RuntimeDep,
    caller: CallerDep,
    grant: GrantDep,
) -> bool:
    """verifyPersonAttributes: whether all expressions are true."""
    response.headers.update(_SECRET)
    return await comparing.verify(session, runtime, caller=caller, grant=grant, uin=uin, expressions=body)


@numbers.post(
    "/uin",
    openapi_extra=operation(door="agency", personal_data=True, field_groups=[FieldGroup.PERSONAL_ID]),
)
async def osia_generate_uin(
    *,
    transaction: Annotated[TransactionId, Query(alias="transactionId")],
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
