"""`get_person` without FastAPI's machinery: the same caller, agreement and problem handling, less work."""

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qs

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime, operation
from ndx_chassis.caller import Caller, caller_of
from ndx_chassis.consents import require_consent
from ndx_chassis.errors import FieldError, InvalidInput
from ndx_chassis.ids import new_id
from ndx_chassis.middleware import PlainRoute
from ndx_chassis.telemetry import current_trace_id
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from ndx_contracts.personal_ids import PERSONAL_ID_PATTERN
from ndx_contracts.population import PersonLookupIn
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from svc_population.persons.desk import Desk, Gathered
from svc_population.persons.errors import PersonNotFound
from svc_population.persons.field_groups import answer
from svc_population.persons.lookup_sql import Lookup, arguments, statement
from svc_population.persons.openapi import get_person_operation
from svc_population.persons.sealing import Keyring

NAME = "population.get_person"
DESK = "persons.lookup_desk"
KEYRING = "persons.keyring"
LOOKUPS: Gathered[Lookup] = Gathered(statement, arguments)
GROUPS = [g for g in FieldGroup if g in POPULATION_GROUPS]
_BY_NAME: dict[str, FieldGroup] = {g.value: g for g in GROUPS}
_AT_ONCE = 250
"""Lookups of one request that wait at the same time: others come in between."""
_NUMBER = re.compile(PERSONAL_ID_PATTERN.strip("^$"))


@dataclass(frozen=True, slots=True)
class _Wanted:
    groups: frozenset[FieldGroup]
    names: str
    family: bool
    household: bool
    cards: bool


@lru_cache(maxsize=4096)
def _wanted(query: bytes) -> _Wanted:
    parameters = parse_qs(query.decode("ascii", "replace"), keep_blank_values=True)
    wrong = [
        FieldError(field="query.*", code="extra_forbidden", detail="unknown parameter")
        for name in parameters
        if name != "fields"
    ]
    names = ",".join(parameters.get("fields", [])).split(",")
    groups: set[FieldGroup] = set()
    for name in filter(None, names):
        if name in _BY_NAME:
            groups.add(_BY_NAME[name])
        else:
            wrong.append(FieldError(field="query.fields", code="unknown-field-group", detail="unknown name"))
    if not groups:
        wrong.append(FieldError(field="query.fields", code="missing", detail="name the field groups"))
    if wrong:
        raise InvalidInput(errors=wrong)
    return _Wanted(
        groups=frozenset(groups),
        names=",".join(sorted(groups)),
        family=FieldGroup.FAMILY_RELATIONS in groups,
        household=FieldGroup.HOUSEHOLD in groups,
        cards=FieldGroup.CARD_HISTORY in groups,
    )


def codes(units: tuple[str, ...], grant: Grant) -> str | None:
    """Return units of the agreement's scope for a gathered statement; None when it has no bounds."""
    scope = grant.agreement.admin_scope
    return None if not scope.provinces and not scope.communes else ",".join(units)


def number_of(request: Request) -> str:
    """Return the personal ID of the path.

    Raises:
        InvalidInput: it has no twelve digits.
    """
    personal_id: str = request.path_params["personal_id"]
    if not _NUMBER.fullmatch(personal_id):
        raise InvalidInput(
            errors=[FieldError(field="path.personal_id", code="pattern", detail="twelve digits")]
        )
    return personal_id


async def get_person(request: Request) -> Response:
    """Answer one lookup; the record of it is committed before."""
    runtime: Runtime = request.app.state.runtime
    caller = caller_of(request, NAME)
    grant = runtime.agreements.grant(caller)
    wanted = _wanted(request.scope["query_string"])
    grant.require_field_groups(wanted.groups)
    personal_id = number_of(request)
    if grant.agreement.conditions.consent_required:
        async with runtime.sessions() as session:
            await require_consent(session, caller, grant, subjects=[personal_id], field_groups=wanted.groups)
    desk: Desk[Lookup] = runtime.extras[DESK]
    row = await desk.ask(_lookup(caller, grant, wanted, personal_id))
    if not row["shown"]:
        raise PersonNotFound
    return Response(
        answer(row, wanted.groups, runtime.extras[KEYRING]),
        media_type="application/json",
        headers={"Cache-Control": "no-store", "ETag": f'"{row["version"]}"'},
    )


def _lookup(caller: Caller, grant: Grant, wanted: _Wanted, personal_id: str) -> Lookup:
    scope = grant.agreement.admin_scope
    return Lookup(
        personal_id=personal_id,
        provinces=codes(scope.provinces, grant),
        communes=codes(scope.communes, grant),
        want_family=wanted.family,
        want_household=wanted.household,
        want_cards=wanted.cards,
        id=new_id(),
        agency=caller.agency,
        system=caller.system,
        officer=caller.officer,
        case_id=caller.case_id,
        purpose=caller.purpose,
        agreement=caller.agreement,
        agreement_version=grant.agreement.version,
        operation=caller.operation,
        field_groups=wanted.names,
        request_id=caller.request_id,
        trace_id=current_trace_id(),
    )


async def get_persons(runtime: Runtime, caller: Caller, grant: Grant, asked: PersonLookupIn) -> bytes:
    """Answer many lookups, in their order, with a record of each; one that is not shown has null.

    Raises:
        FieldGroupNotCovered: the agreement does not cover one of the groups; nobody is looked up then.
        ConsentMissing: the agreement asks for it, and one of them did not give it; the same.
        ServiceOverloaded: there is no room; nobody was looked up, as a rule.
        DatabaseUnavailable: some may have been recorded, nobody is told.
    """
    wanted = _wanted(f"fields={','.join(asked.fields)}".encode())
    grant.require_field_groups(wanted.groups)
    desk: Desk[Lookup] = runtime.extras[DESK]
    numbers = list(dict.fromkeys(asked.personal_ids))
    keys: Keyring = runtime.extras[KEYRING]
    if grant.agreement.conditions.consent_required:
        async with runtime.sessions() as session:
            await require_consent(session, caller, grant, subjects=numbers, field_groups=wanted.groups)
    found: list[bytes] = []
    for start in range(0, len(numbers), _AT_ONCE):
        some = numbers[start : start + _AT_ONCE]
        questions = [_lookup(caller, grant, wanted, number) for number in some]
        rows = await desk.ask_all(questions, patient=start > 0)
        found += [
            b'{"personal_id":"%b","person":%b}'
            % (
                number.encode(),
                answer(row, wanted.groups, keys) if row["shown"] else b"null",
            )
            for number, row in zip(some, rows, strict=True)
        ]
    return b'{"items":[%b]}' % b",".join(found)


_ROUTE = Route("/population/v1/persons/{personal_id}", get_person, methods=["GET"], name="get_person")
if _ROUTE.methods is not None:
    _ROUTE.methods.discard("HEAD")  # a HEAD would be a recorded read that gives nothing

PLAIN_ROUTES = [
    PlainRoute(
        _ROUTE,
        get_person_operation(operation(door="agency", personal_data=True, field_groups=GROUPS)),
    )
]
