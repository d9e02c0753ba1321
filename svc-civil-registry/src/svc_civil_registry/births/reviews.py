"""Decisions of officers: ask again for a number, decide about a suspected duplicate."""

from collections.abc import Sequence
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.idempotency import once
from ndx_contracts.bodies import Output
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.births import numbering, repository
from svc_civil_registry.births.answers import birth_out
from svc_civil_registry.births.errors import DuplicateTargetInvalid
from svc_civil_registry.births.numbering import Waiting
from svc_civil_registry.births.schemas import BirthIn, BirthOut, DuplicateIn, ReviewIn
from svc_civil_registry.births.service import (
    GROUPS,
    commit_and_obtain,
    disclose_birth,
    load,
    still_waiting,
    subjects_of,
)
from svc_civil_registry.events import service as events
from svc_civil_registry.events.lifecycle import Action
from svc_civil_registry.events.service import Record
from svc_civil_registry.events.vocabulary import ActionType, Flag, RecordKind, Status


class Decision(Output):
    """What makes two calls on a birth under one key the same."""

    birth_id: UUID
    body: ReviewIn | DuplicateIn | None = None


async def resubmit_birth(
    runtime: Runtime, caller: Caller, grant: Grant, birth_id: UUID, *, key: str | None
) -> BirthOut:
    """Ask for the number now: of a birth that waits, or of one whose number was refused.

    Raises:
        GuardFailed: no number is missing, or a suspected duplicate has to be decided first.
    """
    grant.require_field_groups(GROUPS)

    async def act(session: AsyncSession) -> tuple[UUID, Waiting | None]:
        record, birth = await load(session, caller, grant, birth_id, for_update=True)
        await _audit_review(session, caller, "birth_resubmitted", birth_id)
        if Flag.AWAITING_PERSONAL_ID in record.state.flags:
            return birth_id, await still_waiting(session, runtime, birth_id)
        record = await _request_again(session, caller, record, key=key, first=())
        declaration = BirthIn.model_validate(birth.declaration)
        return birth_id, await numbering.enqueue(session, runtime, record, declaration, confirmed=False)

    return await commit_and_obtain(runtime, caller, grant, Decision(birth_id=birth_id), key=key, act=act)


async def mark_not_duplicate(
    runtime: Runtime, caller: Caller, grant: Grant, birth_id: UUID, review: ReviewIn, *, key: str | None
) -> BirthOut:
    """Decide that a suspected birth stands for itself, and go on to its number.

    Raises:
        GuardFailed: nothing is suspected.
    """
    grant.require_field_groups(GROUPS)

    async def act(session: AsyncSession) -> tuple[UUID, Waiting | None]:
        record, birth = await load(session, caller, grant, birth_id, for_update=True)
        decision = Action(ActionType.MARK_AS_NOT_DUPLICATE, {"reason": review.reason})
        record = await _request_again(session, caller, record, key=key, first=(decision,))
        await _audit_review(session, caller, "birth_marked_not_duplicate", birth_id)
        declaration = BirthIn.model_validate(birth.declaration)
        return birth_id, await numbering.enqueue(session, runtime, record, declaration, confirmed=True)

    request = Decision(birth_id=birth_id, body=review)
    return await commit_and_obtain(runtime, caller, grant, request, key=key, act=act)


async def _request_again(
    session: AsyncSession, caller: Caller, record: Record, *, key: str | None, first: Sequence[Action]
) -> Record:
    return await events.act(
        session,
        record,
        actor=caller,
        transaction_id=key or caller.request_id,
        actions=[*first, Action(ActionType.REQUEST_NUMBER, {})],
    )


async def mark_duplicate(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    birth_id: UUID,
    decision: DuplicateIn,
    *,
    key: str | None,
) -> BirthOut:
    """Decide that a suspected birth repeats another one: it is archived and points at that one.

    Raises:
        GuardFailed: nothing is suspected.
        DuplicateTargetInvalid: the other record is this one, archived, or does not exist.
    """
    grant.require_field_groups(GROUPS)

    async def act() -> BirthOut:
        record, birth = await load(session, caller, grant, birth_id, for_update=True)
        original = await events.find_record(session, decision.duplicate_of, RecordKind.BIRTH)
        if original is None or original.id == birth_id or original.state.status is Status.ARCHIVED:
            raise DuplicateTargetInvalid
        content = {"reason": decision.reason, "duplicate_of": str(decision.duplicate_of)}
        record = await events.act(
            session,
            record,
            actor=caller,
            transaction_id=key or caller.request_id,
            actions=[Action(ActionType.MARK_AS_DUPLICATE, content)],
        )
        await repository.drop_natural_key(session, birth_id)
        await _audit_review(session, caller, "birth_marked_duplicate", birth_id)
        people = subjects_of(BirthIn.model_validate(birth.declaration))
        await disclose_birth(session, caller, grant, people)
        return birth_out(record)

    request = Decision(birth_id=birth_id, body=decision)
    return await once(session, caller, grant=grant, key=key, request=request, response_type=BirthOut, act=act)


async def _audit_review(session: AsyncSession, caller: Caller, action: str, birth_id: UUID) -> None:
    await record_audit(session, caller, action=action, entity_type="birth", entity_id=birth_id)
