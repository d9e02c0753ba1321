"""Use cases: one officer asks for a registered death to be cancelled, another one decides.

The entry stays in the book under its number, marked CANCELLED; what follows from it elsewhere is taken back
by those who hear of the event.
"""

from typing import Any
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import found
from ndx_chassis.idempotency import once
from ndx_chassis.outbox import publish
from ndx_contracts.bodies import Output
from ndx_contracts.disclosure import Outcome
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.deadlines.service import today
from svc_civil_registry.deaths import repository, successions
from svc_civil_registry.deaths.causes import Cause, lawful
from svc_civil_registry.deaths.errors import (
    CancellationRequestChanged,
    CancellationUnlawful,
    DeathNotFound,
    NoOtherEntry,
)
from svc_civil_registry.deaths.events import death_cancelled
from svc_civil_registry.deaths.schemas import CancellationIn, DeathOut, Verdict, VerdictIn
from svc_civil_registry.deaths.service import GROUPS, disclosed, shown
from svc_civil_registry.events import service as events
from svc_civil_registry.events.four_eyes import ASKED_BY, officer_of, require_second
from svc_civil_registry.events.lifecycle import Action
from svc_civil_registry.events.service import Record
from svc_civil_registry.events.vocabulary import ActionType, RecordKind


class _Asked(Output):
    """What makes two calls on a death under one key the same."""

    death_id: UUID
    body: CancellationIn | VerdictIn


async def request_cancellation(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    death_id: UUID,
    request: CancellationIn,
    *,
    key: str | None,
) -> DeathOut:
    """Write down that a death is to be cancelled; until it is decided, the entry stands.

    Raises:
        OfficerMissing, CaseMissing: the call names no officer or no dossier.
        DeathNotFound: there is none within the caller's reach.
        GuardFailed: it is cancelled, or asked for, already.
        CancellationUnlawful: the law knows no such cause, or not with this document.
        NoOtherEntry: it is said to be registered twice, and is not.
    """
    grant.require_field_groups(GROUPS)
    officer = officer_of(caller)

    async def act() -> DeathOut:
        record, death = await _taken(session, caller, grant, death_id)
        cause = lawful(request.cause, request.document.kind, day=today())
        if cause is None:
            raise CancellationUnlawful
        await _fits(session, death, cause)
        content = {**request.model_dump(mode="json"), ASKED_BY: officer}
        record = await _acted(session, caller, record, ActionType.REQUEST_CANCELLATION, content, key)
        return await _answer(session, caller, grant, record, "death_cancellation_requested", request.cause)

    asked = _Asked(death_id=death_id, body=request)
    return await once(session, caller, grant=grant, key=key, request=asked, response_type=DeathOut, act=act)


async def decide_cancellation(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    death_id: UUID,
    decision: VerdictIn,
    *,
    key: str | None,
) -> DeathOut:
    """Cancel the death as another officer asked, or let it stand.

    Raises:
        SecondOfficerNeeded: the officer asked for it.
        GuardFailed: nothing is asked for.
        CancellationRequestChanged: another request stands by now than the one that the officer read.
        DeathNotFound, NoOtherEntry: as `request_cancellation`.
    """
    grant.require_field_groups(GROUPS)
    officer = officer_of(caller)

    async def act() -> DeathOut:
        record, death = await _taken(session, caller, grant, death_id)
        asked = events.last_step(record, ActionType.REQUEST_CANCELLATION)
        approves = decision.verdict is Verdict.APPROVE
        kind = ActionType.APPROVE_CANCELLATION if approves else ActionType.REJECT_CANCELLATION
        record = await _acted(session, caller, record, kind, {"reason": decision.reason}, key)
        if asked is None or asked.sequence != decision.request_sequence:
            raise CancellationRequestChanged
        content = asked.content
        require_second(officer, asked_by=content[ASKED_BY])
        cause = content["cause"]
        if approves:
            await _cancel(session, record, death, content)
        action = "death_cancelled" if approves else "death_cancellation_rejected"
        return await _answer(session, caller, grant, record, action, cause)

    asked = _Asked(death_id=death_id, body=decision)
    return await once(session, caller, grant=grant, key=key, request=asked, response_type=DeathOut, act=act)


async def _taken(session: AsyncSession, caller: Caller, grant: Grant, death_id: UUID) -> tuple[Record, Any]:
    record = await events.find_record(session, death_id, RecordKind.DEATH, for_update=True)
    death = await repository.find_death(session, death_id)
    if record is None or death is None or not events.sees(caller, grant, record):
        raise DeathNotFound
    # Each refusal from here on is an answer about the person: that another entry stands, or is asked about.
    found(session, caller, grant=grant, subjects=[death.personal_id], field_groups=GROUPS)
    return record, death


async def _fits(session: AsyncSession, death: Any, cause: Cause) -> None:
    """Hold the person's deaths, and look whether another one stands where the cause needs it."""
    numbers = await successions.hold_person(session, death.personal_id)
    others = set(await repository.deaths_of(session, sorted(numbers))) - {death.record_id}
    if cause.needs_other_entry and not others:
        raise NoOtherEntry


async def _cancel(session: AsyncSession, record: Record, death: Any, content: dict[str, Any]) -> None:
    # The law of the day on which it was asked for decides; only what stands beside it may be gone since.
    asked = CancellationIn.model_validate({k: content[k] for k in CancellationIn.model_fields})
    step = events.last_step(record, ActionType.REQUEST_CANCELLATION)
    cause = lawful(asked.cause, asked.document.kind, day=today() if step is None else step.day)
    if cause is None:
        raise CancellationUnlawful
    await _fits(session, death, cause)
    cancelled_at = await repository.cancel_death(session, record.id)
    await publish(
        session,
        death_cancelled(
            death_id=record.id,
            personal_id=death.personal_id,
            died_on=death.died_on,
            office=record.office,
            cause=cause.name,
            found_alive=cause.found_alive,
            cancelled_at=cancelled_at,
        ),
    )


async def _acted(  # noqa: PLR0917 - the facts of one action
    session: AsyncSession,
    caller: Caller,
    record: Record,
    kind: ActionType,
    content: dict[str, Any],
    key: str | None,
) -> Record:
    return await events.act(
        session,
        record,
        actor=caller,
        transaction_id=key or caller.request_id,
        actions=[Action(kind, content)],
    )


async def _answer(  # noqa: PLR0917 - the facts of one answer
    session: AsyncSession, caller: Caller, grant: Grant, record: Record, action: str, cause: str
) -> DeathOut:
    await record_audit(
        session,
        caller,
        action=action,
        entity_type="death",
        entity_id=record.id,
        details={"cause": cause, "office": record.office},
    )
    answer, people = await shown(session, record)
    await disclosed(session, caller, grant, people, Outcome.DISCLOSED)
    # A repeated answer is kept under its key: without what was declared.
    return DeathOut(**{name: getattr(answer, name) for name in DeathOut.model_fields})
