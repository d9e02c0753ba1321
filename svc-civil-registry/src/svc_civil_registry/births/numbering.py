"""Gets a declared birth its personal number and registers it.

Three steps, each safe to lose or repeat: the birth is committed as declared and waiting (by the caller of
this module); the population database is asked, with no transaction open; the answer is committed. A crash in
between leaves a row in the queue whose lease runs out, and the job asks again under the same request id, for
which the population database always gives the same answer.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid5

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import Actor, record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.gateway_client import ProviderRefused, ProviderUnavailable
from ndx_chassis.last_writes import write_now
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log, traceparent
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import (
    PersonalIdRequestIn,
    PersonalIdRequestOut,
    PersonalIdRequestState,
)
from ndx_contracts.purposes import Purpose
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.births import repository
from svc_civil_registry.births.answers import birth_out
from svc_civil_registry.births.events import birth_registered
from svc_civil_registry.births.schemas import BirthIn, BirthOut
from svc_civil_registry.books import service as books
from svc_civil_registry.deadlines.service import today
from svc_civil_registry.events import service as events
from svc_civil_registry.events.lifecycle import Action
from svc_civil_registry.events.service import Record
from svc_civil_registry.events.vocabulary import ActionType, Flag, RecordKind
from svc_civil_registry.settings import Settings

PATH = "/population/v1/personal-id-requests"
AWAY = ProviderUnavailable.code
_PERMANENT = frozenset({409, 422})
"""Statuses by which the provider refuses what was asked; any other refusal is about the call, and passes."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A birth whose number is asked for now."""

    birth_id: UUID
    request: PersonalIdRequestIn


@dataclass(frozen=True, slots=True)
class Recipient:
    """The caller who is told the number: it is disclosed to them in the transaction that registers."""

    caller: Caller
    grant: Grant


def settings_of(runtime: Runtime) -> Settings:
    """Return this service's own settings."""
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("the runtime was not built with the civil registry's settings")
    return settings


def request_id(record: Record) -> UUID:
    """Return the id of the record's present request: the birth's own id until a request was refused.

    A refusal is final for its id, so the request after it needs another; as no number came from the
    refused one, the birth still gets at most one.
    """
    rounds = record.state.number_requests
    return record.id if rounds == 0 else uuid5(record.id, f"round-{rounds}")


def request_for(
    declaration: BirthIn, *, identity: UUID, province_code: str, commune_code: str, confirmed: bool
) -> PersonalIdRequestIn:
    """Return what the population database is sent: the same for each attempt."""
    child = declaration.child
    return PersonalIdRequestIn(
        request_id=identity,
        surname=child.surname,
        middle_name=child.middle_name,
        given_name=child.given_name,
        birth_date=child.birth_date,
        sex=child.sex,
        birth_place_code=child.birth_place_code,
        birth_place=child.birth_place,
        birth_registration_commune_code=commune_code,
        birth_registration_province_code=province_code,
        home_town=child.home_town,
        home_town_province_code=child.home_town_province_code,
        ethnicity_code=child.ethnicity_code,
        nationality=child.nationality,
        mother=declaration.mother,
        father=declaration.father,
        office=declaration.office,
        confirmed_not_duplicate=confirmed,
    )


async def enqueue(
    session: AsyncSession, runtime: Runtime, record: Record, declaration: BirthIn, *, confirmed: bool
) -> Waiting:
    """Put the birth into the queue, leased to the attempt that follows the commit."""
    identity = request_id(record)
    await repository.insert_number_request(
        session,
        {
            "birth_id": record.id,
            "request_id": identity,
            "confirmed_not_duplicate": confirmed,
            "office": record.office,
            "province_code": record.province_code,
            "commune_code": record.commune_code,
            "traceparent": traceparent(),
        },
        lease=settings_of(runtime).number_lease_seconds,
    )
    return Waiting(
        record.id,
        request_for(
            declaration,
            identity=identity,
            province_code=record.province_code,
            commune_code=record.commune_code,
            confirmed=confirmed,
        ),
    )


async def waiting_from(session: AsyncSession, queued: Any) -> Waiting | None:
    """Rebuild the request of a row of the queue."""
    birth = await repository.find_birth(session, queued.birth_id)
    if birth is None:
        return None
    return Waiting(
        queued.birth_id,
        request_for(
            BirthIn.model_validate(birth.declaration),
            identity=queued.request_id,
            province_code=queued.province_code,
            commune_code=queued.commune_code,
            confirmed=queued.confirmed_not_duplicate,
        ),
    )


async def obtain(
    runtime: Runtime, waiting: Waiting, *, actor: Actor, recipient: Recipient | None = None
) -> BirthOut | None:
    """Ask for the number and commit what came; None when the birth goes on waiting."""
    try:
        answer = await _ask(runtime, waiting, actor)
    except ProviderUnavailable as error:
        log.warning("number_postponed", birth_id=str(waiting.birth_id), code=error.code)
        await _postpone(runtime, waiting, AWAY)
        return None
    except ProviderRefused as refusal:
        log.warning("number_call_refused", birth_id=str(waiting.birth_id), code=refusal.refusal)
        if refusal.status in _PERMANENT:
            return await _refuse(runtime, waiting, actor, reasons=(refusal.refusal,), suspected=False)
        await _postpone(runtime, waiting, refusal.refusal)
        return None
    if answer.state is PersonalIdRequestState.RECEIVED:
        await _postpone(runtime, waiting, "request-received")
        return None
    if answer.personal_id is None or answer.person_id is None:
        suspected = answer.state is PersonalIdRequestState.DUPLICATE_SUSPECTED
        return await _refuse(runtime, waiting, actor, reasons=answer.reasons, suspected=suspected)
    number = (answer.personal_id, answer.person_id)
    return await _register(runtime, waiting, number, actor=actor, recipient=recipient)


async def _ask(runtime: Runtime, waiting: Waiting, actor: Actor) -> PersonalIdRequestOut:
    reply = await runtime.gateway.call(
        "POST",
        PATH,
        purpose=Purpose.CIVIL_REGISTRATION,
        json=waiting.request.model_dump(mode="json", exclude_none=True),
        case_id=actor.case_id,
        officer=actor.officer,
    )
    try:
        answer = PersonalIdRequestOut.model_validate_json(reply.content)
    except ValidationError:
        raise ProviderUnavailable("The provider's answer cannot be read.") from None
    if answer.request_id != waiting.request.request_id:
        raise ProviderUnavailable("The provider answered another request.")
    return answer


async def _postpone(runtime: Runtime, waiting: Waiting, error: str) -> None:
    settings = settings_of(runtime)
    async with runtime.sessions() as session, session.begin():
        await repository.postpone_request(
            session,
            waiting.birth_id,
            first_delay=settings.number_first_delay_seconds,
            longest_delay=settings.number_longest_delay_seconds,
            error=error,
        )


async def _open_request(session: AsyncSession, waiting: Waiting) -> Record | None:
    """Lock the record; None when another attempt has settled this very request."""
    record = await events.find_record(session, waiting.birth_id, RecordKind.BIRTH, for_update=True)
    if record is None or Flag.AWAITING_PERSONAL_ID not in record.state.flags:
        return None
    return record if request_id(record) == waiting.request.request_id else None


async def _refuse(
    runtime: Runtime, waiting: Waiting, actor: Actor, *, reasons: tuple[str, ...], suspected: bool
) -> BirthOut | None:
    async with runtime.sessions() as session, session.begin():
        record = await _open_request(session, waiting)
        if record is None:
            return None
        content: dict[str, object] = {"reasons": list(reasons), "duplicate_suspected": suspected}
        record = await events.act(
            session,
            record,
            actor=actor,
            transaction_id=str(waiting.request.request_id),
            actions=[Action(ActionType.REFUSE_NUMBER, content)],
        )
        await repository.delete_number_request(session, waiting.birth_id)
        await record_audit(
            session,
            actor,
            action="birth_number_refused",
            entity_type="birth",
            entity_id=waiting.birth_id,
            details={"reasons": list(reasons)},
        )
    log.warning("birth_number_refused", birth_id=str(waiting.birth_id), reasons=list(reasons))
    return birth_out(record)


async def _register(
    runtime: Runtime,
    waiting: Waiting,
    number: tuple[str, UUID],
    *,
    actor: Actor,
    recipient: Recipient | None,
) -> BirthOut | None:
    (personal_id, person_id), day = number, today()
    async with runtime.sessions() as session, session.begin():
        record = await _open_request(session, waiting)
        if record is None:
            return None
        record = await events.act(
            session,
            record,
            actor=actor,
            transaction_id=str(waiting.request.request_id),
            actions=[Action(ActionType.REGISTER, {"book": RecordKind.BIRTH.value, "year": day.year})],
        )
        registered_at = await repository.set_number(
            session, waiting.birth_id, personal_id=personal_id, person_id=person_id
        )
        mother, father = waiting.request.mother, waiting.request.father
        await publish(
            session,
            birth_registered(
                birth_id=record.id,
                office=record.office,
                personal_id=personal_id,
                person_id=person_id,
                mother_personal_id=mother.personal_id if mother else None,
                father_personal_id=father.personal_id if father else None,
                registered_at=registered_at,
            ),
        )
        await record_audit(
            session,
            actor,
            action="birth_registered",
            entity_type="birth",
            entity_id=record.id,
            details={"office": record.office},
        )
        if recipient is not None:
            await disclose(
                session,
                recipient.caller,
                grant=recipient.grant,
                subjects=[personal_id],
                field_groups=[FieldGroup.CIVIL_STATUS_RECORD],
                outcome=Outcome.DISCLOSED,
            )
        await write_now(session)
        entry = await books.enter(
            session, office=record.office, book=RecordKind.BIRTH, day=day, record_id=record.id
        )
    runtime.nudge()
    log.info("birth_registered", birth_id=str(record.id), office=record.office)
    return birth_out(record, personal_id=personal_id, registered_at=registered_at, number=entry)
