"""`verify_person` without FastAPI's machinery: answers that are all yes take two gathered statements.

Whatever else comes of it (somebody unknown, a no, a further day that a birth date is compared with, an agency
that has guessed wrong before) goes the way of `verification.verify`, which locks what it counts.

Guesses sent side by side must not find the right one among them sooner than one after the other would: an
agency has one question about a person on the short way at a time, the others wait for the pair's lock. Each
process lets one through: as many guesses as processes, or the limit if that is more, are the most.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from fastapi.exceptions import RequestValidationError
from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.app import Runtime, operation
from ndx_chassis.caller import Caller, caller_of
from ndx_chassis.db import transaction
from ndx_chassis.ids import new_id
from ndx_chassis.middleware import PlainRoute
from ndx_chassis.telemetry import current_trace_id
from ndx_contracts.field_groups import FieldGroup
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from svc_population.persons import verification
from svc_population.persons.claims_sql import (
    CLAIMED,
    CONFIRM,
    Claimed,
    Confirmed,
    claimed_arguments,
    confirm_arguments,
)
from svc_population.persons.desk import Desk, Gathered
from svc_population.persons.hot_read import codes, number_of
from svc_population.persons.openapi import verify_person_operation
from svc_population.persons.schemas import GROUP_OF_CLAIM, VerifyIn, VerifyOut
from svc_population.settings import settings_of

NAME = "population.verify_person"
CLAIMS_DESK = "persons.claims_desk"
CONFIRM_DESK = "persons.confirm_desk"
UNDER_WAY = "persons.verifying"
"""Agencies and the people about whom they have a question on the short way in this process."""
CLAIMS: Gathered[Claimed] = Gathered(lambda _: CLAIMED, claimed_arguments)
CONFIRMATIONS: Gathered[Confirmed] = Gathered(lambda _: CONFIRM, confirm_arguments)
_CLAIMED_GROUPS = sorted({*GROUP_OF_CLAIM.values(), FieldGroup.DEATH_OR_MISSING_DATE})


@dataclass(frozen=True, slots=True)
class _Person:
    """What claims can be about, as the statement found it."""

    birth_date: date
    life_status: str
    full_name: str
    sex: str
    nationality: str
    ethnicity_code: str | None
    home_town_province_code: str | None
    permanent_province_code: str | None
    permanent_commune_code: str | None
    legacy_id_number: str | None
    marital_status: str | None


def _person(row: Any) -> _Person:
    names = (row["surname"], row["middle_name"], row["given_name"])
    return _Person(
        birth_date=row["birth_date"],
        life_status=row["life_status"],
        full_name=" ".join(name for name in names if name),
        sex=row["sex"],
        nationality=row["nationality"],
        ethnicity_code=row["ethnicity_code"],
        home_town_province_code=row["home_town_province_code"],
        permanent_province_code=row["permanent_province_code"],
        permanent_commune_code=row["permanent_commune_code"],
        legacy_id_number=row["legacy_id_number"],
        marital_status=row["marital_status"],
    )


async def verify_person(request: Request) -> Response:
    """Answer the claims; the record of it is committed before."""
    runtime: Runtime = request.app.state.runtime
    caller = caller_of(request, NAME)
    grant = runtime.agreements.grant(caller)
    personal_id = number_of(request)
    claims = _claims(await request.body())
    groups = claims.field_groups
    grant.require_field_groups(groups)
    pair = (caller.agency, personal_id)
    under_way: set[tuple[str, str]] = runtime.extras.setdefault(UNDER_WAY, set())
    first = pair not in under_way
    under_way.add(pair)
    try:
        answer = None
        if first and not grant.agreement.conditions.consent_required:
            answer = await _all_right(runtime, caller, grant, personal_id, claims)
        if answer is None:
            answer = await _counted(runtime, caller, grant, personal_id, claims)
    finally:
        if first:
            under_way.discard(pair)
    return Response(
        answer.model_dump_json(), media_type="application/json", headers={"Cache-Control": "no-store"}
    )


async def _counted(
    runtime: Runtime, caller: Caller, grant: Grant, personal_id: str, claims: VerifyIn
) -> VerifyOut:
    async with transaction(runtime) as session:
        return await verification.verify(
            session,
            runtime,
            caller=caller,
            grant=grant,
            personal_id=personal_id,
            claims=claims,
            wrong_guesses=settings_of(runtime).verify_wrong_guesses,
        )


def _claims(body: bytes) -> VerifyIn:
    try:
        return VerifyIn.model_validate_json(body)
    except ValidationError as error:
        raise RequestValidationError(
            [{**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_url=False)]
        ) from None


async def _all_right(
    runtime: Runtime, caller: Caller, grant: Grant, personal_id: str, claims: VerifyIn
) -> VerifyOut | None:
    """Answer when every claim holds and nothing is to be counted; None otherwise, with nothing written."""
    claims_desk: Desk[Claimed] = runtime.extras[CLAIMS_DESK]
    scope = grant.agreement.admin_scope
    row = await claims_desk.ask(
        Claimed(personal_id, codes(scope.provinces, grant), codes(scope.communes, grant), caller.agency)
    )
    if not row["shown"] or row["wrong"]:
        return None
    answer, compared = verification.answered(
        _person(row), claims, datetime.now(UTC).astimezone(VIETNAM).date()
    )
    if not answer.all_matched or not compared <= frozenset(row["bounds"] or ()):
        return None
    confirm_desk: Desk[Confirmed] = runtime.extras[CONFIRM_DESK]
    await confirm_desk.ask(
        Confirmed(
            id=new_id(),
            agency=caller.agency,
            system=caller.system,
            officer=caller.officer,
            case_id=caller.case_id,
            purpose=caller.purpose,
            agreement=caller.agreement,
            agreement_version=grant.agreement.version,
            operation=caller.operation,
            subject=row["personal_id"],
            field_groups=",".join(sorted(claims.field_groups)),
            request_id=caller.request_id,
            trace_id=current_trace_id(),
        )
    )
    return answer


_ROUTE = Route(
    "/population/v1/persons/{personal_id}/verify", verify_person, methods=["POST"], name="verify_person"
)

PLAIN_ROUTES = [
    PlainRoute(
        _ROUTE,
        verify_person_operation(
            operation(door="agency", personal_data=True, field_groups=_CLAIMED_GROUPS, changes="NOTHING")
        ),
    )
]
