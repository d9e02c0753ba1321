"""Use cases of numbers: give one to a newborn, and replace one for a lawful cause."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM, Grant, OutsideAdminScope
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import composed, tone_key
from ndx_contracts.population import (
    ParentIn,
    PersonalIdRequestIn,
    PersonalIdRequestOut,
    PersonalIdRequestState,
    Sex,
)
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units import service as admin_units
from svc_population.personal_ids import repository, rules
from svc_population.personal_ids.allocator import Allocator
from svc_population.personal_ids.errors import PrefixExhausted, RequestIdReused
from svc_population.personal_ids.models import PersonalIdRequest
from svc_population.personal_ids.personal_id import place_code_of, prefix
from svc_population.persons import events
from svc_population.persons import service as persons
from svc_population.relationships import service as relationships
from svc_population.relationships.service import Parent
from svc_population.relationships.vocabulary import Relation

ALLOCATOR = "personal_ids.allocator"
_TAKEN_IN_A_ROW = 100
"""Numbers that imports may have used one after another before something is wrong."""
Parents = dict[Relation, tuple[ParentIn, str | None]]


def allocator_of(runtime: Runtime) -> Allocator:
    allocator: Allocator = runtime.extras[ALLOCATOR]
    return allocator


async def request_number(
    session: AsyncSession, runtime: Runtime, *, caller: Caller, grant: Grant, body: PersonalIdRequestIn
) -> PersonalIdRequestOut:
    """Give a newborn a number, once per request id of the calling agency.

    Raises:
        RequestIdReused: the id came before with another body.
        OutsideAdminScope: the place of registration lies outside the agreement.
    """
    if not grant.covers(body.birth_registration_province_code, body.birth_registration_commune_code):
        raise OutsideAdminScope
    digest = hashlib.sha256(body.model_dump_json().encode()).hexdigest()
    name = _full_name(body)
    received = {
        "agency": caller.agency,
        "request_id": body.request_id,
        "body_hash": digest,
        "state": PersonalIdRequestState.RECEIVED.value,
        "birth_date": body.birth_date,
        "folded_name": tone_key(name),
        "registration_commune_code": body.birth_registration_commune_code,
    }
    if not await repository.receive(session, received):
        answer = await _former_answer(session, caller, body, digest)
    else:
        answer = await _decide(session, runtime, caller, body, name)
        repository.settle(
            session,
            caller.agency,
            body.request_id,
            state=answer.state.value,
            personal_id=answer.personal_id,
            person_id=answer.person_id,
            reasons=answer.reasons,
        )
        await record_audit(
            session,
            caller,
            action="personal_id_requested",
            entity_type="personal-id-request",
            entity_id=body.request_id,
            details={"state": answer.state.value, "reasons": list(answer.reasons)},
        )
        log.info("personal_id_request_settled", request_id=str(body.request_id), state=answer.state.value)
    await _record(session, caller, grant, body, answer)
    return answer


async def _former_answer(
    session: AsyncSession, caller: Caller, body: PersonalIdRequestIn, digest: str
) -> PersonalIdRequestOut:
    row = await repository.request(session, caller.agency, body.request_id)
    if row is None or row.body_hash != digest:
        raise RequestIdReused
    return _out(row)


def _out(row: PersonalIdRequest) -> PersonalIdRequestOut:
    return PersonalIdRequestOut(
        request_id=row.request_id,
        state=PersonalIdRequestState(row.state),
        personal_id=row.personal_id,
        person_id=row.person_id,
        reasons=tuple(row.reasons),
    )


async def _record(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    body: PersonalIdRequestIn,
    answer: PersonalIdRequestOut,
) -> None:
    """Record what was learnt: a number, that a mother has such a child, or what of a parent is wrong."""
    if answer.personal_id is not None:
        learnt = [(answer.personal_id, FieldGroup.PERSONAL_ID, Outcome.DISCLOSED)]
    elif answer.state is PersonalIdRequestState.DUPLICATE_SUSPECTED:
        mother = body.mother.personal_id if body.mother else None
        if mother is not None:
            learnt = [(mother, FieldGroup.FAMILY_RELATIONS, Outcome.MATCHED)]
        else:
            like = await _issued_like(session, body, _full_name(body))
            learnt = [] if like is None else [(like, FieldGroup.BIRTH_NAME, Outcome.MATCHED)]
    else:
        learnt = _refused_parents(body, answer.reasons)
    for subject, group, outcome in learnt:
        await disclose(
            session, caller, grant=grant, subjects=[subject], field_groups=[group], outcome=outcome
        )


def _refused_parents(
    body: PersonalIdRequestIn, reasons: Sequence[str]
) -> list[tuple[str, FieldGroup, Outcome]]:
    found = []
    for role, parent in (("mother", body.mother), ("father", body.father)):
        about = [r for r in reasons if r.startswith(f"{role}-")]
        if parent is not None and parent.personal_id is not None and about:
            missing = f"{role}-not-found" in about
            outcome = Outcome.NOT_FOUND if missing else Outcome.NOT_MATCHED
            found.append((parent.personal_id, FieldGroup.BIRTH_NAME, outcome))
    return found


def _full_name(body: PersonalIdRequestIn) -> str:
    return composed(" ".join(p for p in (body.surname, body.middle_name, body.given_name) if p))


async def _decide(
    session: AsyncSession, runtime: Runtime, caller: Caller, body: PersonalIdRequestIn, name: str
) -> PersonalIdRequestOut:
    parents, reasons = await _parents(session, body)
    reasons += await _place_reasons(session, body)
    if reasons:
        return PersonalIdRequestOut(
            request_id=body.request_id, state=PersonalIdRequestState.REJECTED, reasons=tuple(reasons)
        )
    mother = parents[Relation.MOTHER][1] if Relation.MOTHER in parents else None
    # Two offices that register one birth at the same instant must see each other.
    await repository.serialise(session, mother or f"{body.birth_date}|{tone_key(name)}")
    if not body.confirmed_not_duplicate:
        suspicions = await _suspicions(session, body, name, mother)
        if suspicions:
            return PersonalIdRequestOut(
                request_id=body.request_id,
                state=PersonalIdRequestState.DUPLICATE_SUSPECTED,
                reasons=tuple(suspicions),
            )
    return await _issue(session, runtime, caller, body, parents)


async def _parents(session: AsyncSession, body: PersonalIdRequestIn) -> tuple[Parents, list[str]]:
    """Return the stated parents with their numbers of today, and what forbids to link them."""
    found: Parents = {}
    reasons: list[str] = []
    stated = ((Relation.MOTHER, Sex.FEMALE, body.mother), (Relation.FATHER, Sex.MALE, body.father))
    for relation, sex, parent in stated:
        if parent is None:
            continue
        if parent.personal_id is None:
            found[relation] = (parent, None)
            continue
        person = await persons.find(session, parent.personal_id)
        reasons += rules.parent_reasons(
            relation.value.lower(), parent, person, sex=sex, birth_date=body.birth_date
        )
        found[relation] = (parent, person.personal_id if person else None)
    return found, reasons


async def _place_reasons(session: AsyncSession, body: PersonalIdRequestIn) -> list[str]:
    day = datetime.now(UTC).astimezone(VIETNAM).date()
    if body.birth_date > day:
        return ["birth-date-in-future"]
    province, commune = body.birth_registration_province_code, body.birth_registration_commune_code
    if place_code_of(province, day) is None:
        return ["registration-province-unknown"]
    if not await admin_units.is_commune_of(session, commune, province_code=province, day=day):
        return ["registration-commune-unknown"]
    return []


async def _suspicions(
    session: AsyncSession, body: PersonalIdRequestIn, name: str, mother: str | None
) -> list[str]:
    if mother is not None:
        siblings = await relationships.children_of(session, mother)
        return rules.duplicate_reasons(siblings, full_name=name, birth_date=body.birth_date)
    same = await _issued_like(session, body, name)
    return ["same-name-same-day-same-place"] if same is not None else []


async def _issued_like(session: AsyncSession, body: PersonalIdRequestIn, name: str) -> str | None:
    return await repository.issued_like(
        session,
        birth_date=body.birth_date,
        folded_name=tone_key(name),
        commune=body.birth_registration_commune_code,
    )


async def _issue(
    session: AsyncSession, runtime: Runtime, caller: Caller, body: PersonalIdRequestIn, parents: Parents
) -> PersonalIdRequestOut:
    day = datetime.now(UTC).astimezone(VIETNAM).date()
    place = place_code_of(body.birth_registration_province_code, day) or ""
    source = f"{body.office}:personal-id-request:{body.request_id}"
    values: dict[str, Any] = {
        "surname": composed(body.surname) if body.surname else None,
        "middle_name": composed(body.middle_name) if body.middle_name else None,
        "given_name": composed(body.given_name),
        "birth_date": body.birth_date,
        "sex": body.sex.value,
        "birth_place_code": body.birth_place_code,
        "birth_place": body.birth_place,
        "birth_registration_province_code": body.birth_registration_province_code,
        "birth_registration_commune_code": body.birth_registration_commune_code,
        "home_town": body.home_town,
        "home_town_province_code": body.home_town_province_code,
        "ethnicity_code": body.ethnicity_code,
        "nationality": body.nationality,
        "source": source,
    }
    first_digits = prefix(place, body.sex, body.birth_date.year)
    personal_id, person_id = await open_under_next_number(session, runtime, first_digits, values)
    links = [
        Parent(relation, number, composed(parent.name), parent.birth_year, parent.nationality)
        for relation, (parent, number) in parents.items()
    ]
    await relationships.link_parents(session, personal_id, links, source=source)
    numbers = {relation: number for relation, (_, number) in parents.items()}
    await record_audit(
        session,
        caller,
        action="person_registered",
        entity_type=persons.ENTITY,
        entity_id=person_id,
        details={"request_id": str(body.request_id), "office": body.office},
    )
    await publish(
        session,
        events.person_registered(
            person_id=person_id,
            personal_id=personal_id,
            birth_date=body.birth_date,
            mother=numbers.get(Relation.MOTHER),
            father=numbers.get(Relation.FATHER),
            province_code=body.birth_registration_province_code,
            commune_code=body.birth_registration_commune_code,
        ),
    )
    return PersonalIdRequestOut(
        request_id=body.request_id,
        state=PersonalIdRequestState.ISSUED,
        personal_id=personal_id,
        person_id=person_id,
    )


async def open_under_next_number(
    session: AsyncSession, runtime: Runtime, first_digits: str, values: dict[str, Any]
) -> tuple[str, Any]:
    """Open a record under the next free number; numbers that an import brought are passed over.

    Raises:
        PrefixExhausted: there is none.
    """
    allocator = allocator_of(runtime)
    for _ in range(_TAKEN_IN_A_ROW):
        number = await allocator.next_number(first_digits)
        person_id = await persons.open_record(session, {**values, "personal_id": number})
        if person_id is not None:
            return number, person_id
    log.error("personal_ids_taken", prefix=first_digits)
    raise PrefixExhausted
