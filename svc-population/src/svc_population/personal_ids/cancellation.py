"""Cancel a number and re-establish it, for the causes that the law lists and for no other."""

from datetime import UTC, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.idempotency import once
from ndx_chassis.telemetry import log
from ndx_contracts.bodies import Input
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.personal_ids import PersonalId
from ndx_contracts.population import Sex
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.personal_ids.errors import (
    CancellationNotLawful,
    PersonalIdAlreadyCancelled,
    PrefixExhausted,
)
from svc_population.personal_ids.models import CancellationCause
from svc_population.personal_ids.personal_id import parse, place_code_of, prefix
from svc_population.personal_ids.schemas import CancellationIn, CancellationOut
from svc_population.personal_ids.service import allocator_of
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.persons.service import Change

_TAKEN_IN_A_ROW = 100
_ABOUT = {
    CancellationCause.SEX_REDETERMINED: {"sex"},
    CancellationCause.BIRTH_YEAR_CORRECTED: {"birth_date"},
}
"""What a decision on a cause changes; a wrong entry may be in any of it."""


class _Request(Input):
    """What one Idempotency-Key stands for: the number and the body."""

    personal_id: PersonalId
    body: CancellationIn


async def cancel(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: CancellationIn,
    idempotency_key: str | None,
) -> CancellationOut:
    """Replace a person's number.

    Raises:
        PersonNotFound: nobody has the number, or not within the agreement's scope; this is recorded, too.
        PersonalIdAlreadyCancelled: it is a former number.
        PersonLocked: its holder is dead.
        CancellationNotLawful: the cause does not fit the facts.
    """
    return await once(
        session,
        caller,
        grant=grant,
        key=idempotency_key,
        request=_Request(personal_id=personal_id, body=body),
        response_type=CancellationOut,
        act=lambda: _cancel(session, runtime, caller, grant, personal_id, body),
    )


async def _cancel(  # noqa: PLR0917 - the facts of one call
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    grant: Grant,
    personal_id: str,
    body: CancellationIn,
) -> CancellationOut:
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=personal_id,
        field_groups=[FieldGroup.PERSONAL_ID],
    )
    if person.personal_id != personal_id:
        raise PersonalIdAlreadyCancelled
    corrections = _corrections(body)
    first_digits = new_prefix(person, body)
    new_number = await _free_number(session, runtime, first_digits)
    await persons.renumber(
        session,
        person,
        new_number=new_number,
        news=Change(
            corrections,
            valid_from=body.valid_from,
            source=f"{caller.agency}:decision:{body.decision.number}",
        ),
        cause=body.cause.value,
        decision=body.decision.model_dump_json(),
        actor=caller,
    )
    await record_audit(
        session,
        caller,
        action="personal_id_cancelled",
        entity_type=persons.ENTITY,
        entity_id=person.person_id,
        details={"cause": body.cause.value, "decision": body.decision.number},
    )
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[new_number],
        field_groups=[FieldGroup.PERSONAL_ID],
        outcome=Outcome.DISCLOSED,
    )
    log.info("personal_id_cancelled", person_id=str(person.person_id), cause=body.cause.value)
    return CancellationOut(person_id=person.person_id, old_personal_id=personal_id, personal_id=new_number)


def _corrections(body: CancellationIn) -> dict[str, Any]:
    stated = body.model_dump(
        include={
            "sex",
            "birth_date",
            "birth_registration_province_code",
            "birth_registration_commune_code",
        },
        exclude_none=True,
    )
    return {k: v.value if isinstance(v, Sex) else v for k, v in stated.items()}


def _beside(person: Person, body: CancellationIn) -> list[tuple[str, str]]:
    """Return what the body would change beside that which a decision on its cause is about."""
    stated: dict[str, bool] = {
        "sex": body.sex not in {None, Sex(person.sex)},
        "birth_date": body.birth_date not in {None, person.birth_date},
        "birth_registration_province_code": body.birth_registration_province_code is not None,
        "birth_registration_commune_code": body.birth_registration_commune_code is not None,
    }
    about = _ABOUT.get(body.cause, stated.keys())
    return [
        (n, "this cause does not change it") for n, changed in stated.items() if changed and n not in about
    ]


def new_prefix(person: Person, body: CancellationIn) -> str:
    """Return the first digits of the new number.

    Raises:
        CancellationNotLawful: the cause and the corrected facts do not fit, or nothing in the number changes.
    """
    faults = _beside(person, body)
    present = parse(person.personal_id)
    year = (body.birth_date or person.birth_date).year
    sex = body.sex or Sex(person.sex)
    if body.cause is CancellationCause.SEX_REDETERMINED and sex is present.sex:
        faults.append(("sex", "the sex that was determined differs from the one in the number"))
    if body.cause is CancellationCause.BIRTH_YEAR_CORRECTED and year == present.birth_year:
        faults.append(("birth_date", "the corrected year differs from the one in the number"))
    place = present.place_code
    if body.birth_registration_province_code is not None:
        day = datetime.now(UTC).astimezone(VIETNAM).date()
        place = place_code_of(body.birth_registration_province_code, day) or ""
        if not place:
            raise CancellationNotLawful([("birth_registration_province_code", "unknown province")])
    first_digits = prefix(place, sex, year)
    if first_digits == person.personal_id[:6]:
        faults.append(("cause", "nothing that the number is made of changes"))
    if faults:
        raise CancellationNotLawful(faults)
    return first_digits


async def _free_number(session: AsyncSession, runtime: Runtime, first_digits: str) -> str:
    for _ in range(_TAKEN_IN_A_ROW):
        number = await allocator_of(runtime).next_number(first_digits)
        if await persons.find(session, number) is None:
            return number
    raise PrefixExhausted
