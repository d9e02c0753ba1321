"""Use cases of mergers: propose, decide with a second pair of eyes, show; what a merged number held."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import CaseMissing, Grant, OfficerMissing
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller, HeaderInvalid
from ndx_chassis.disclosure import disclose, found
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.mergers import execution, repository
from svc_population.mergers.errors import (
    MergerContradicted,
    MergerNotFound,
    MergerStepRefused,
    PersonAlreadyMerged,
    SecondOfficerNeeded,
)
from svc_population.mergers.models import Merger
from svc_population.mergers.officers import is_officer, one_officer
from svc_population.mergers.schemas import DecisionIn, MergeIn, MergerIn, MergerOut, SplitIn, UndoIn
from svc_population.mergers.vocabulary import MergerKind, MergerState, Verdict
from svc_population.persons import service as persons
from svc_population.persons.models import Person
from svc_population.relationships import service as relationships

_PLAN: TypeAdapter[MergerIn] = TypeAdapter(MergerIn)
ENTITY = "person-merger"


async def propose(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    body: MergerIn,
    idempotency_key: str | None,
) -> MergerOut:
    """Write down what one officer proposes; nothing changes before another one approves.

    Raises:
        OfficerMissing, CaseMissing: the call names no officer or no dossier.
        PersonNotFound: nobody has a number, or not within the agreement's scope; this is recorded, too.
        PersonAlreadyMerged, MergerContradicted: it cannot be done as the records stand.
        MergerNotFound, MergerStepRefused: what is to be undone is not there, or not done.
    """

    async def act() -> MergerOut:
        merger = Merger(
            id=new_id(),
            kind=body.kind.value,
            state=MergerState.PROPOSED.value,
            plan=body.model_dump(mode="json"),
            case_id=_case(caller),
            proposed_by=caller.actor,
            proposing_officer=_officer(caller),
            **await _subjects(session, runtime, caller, grant, body),
        )
        await repository.add(session, merger)
        return await _answer(session, caller, grant, merger, action="merger_proposed")

    return await once(
        session, caller, grant=grant, key=idempotency_key, request=body, response_type=MergerOut, act=act
    )


async def decide(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    merger_id: UUID,
    body: DecisionIn,
) -> MergerOut:
    """Approve, and do it, or reject what another officer proposed.

    Raises:
        SecondOfficerNeeded: the officer proposed it, however the number is written.
        MergerStepRefused: it was decided before.
        RecordsChangedSince, and as `propose`: it cannot be done any more.
    """
    officer = _officer(caller)
    merger = await _held(session, caller, grant, merger_id)
    if merger.state != MergerState.PROPOSED:
        raise MergerStepRefused(f"It is {merger.state}.")
    if one_officer(merger.proposing_officer, officer):
        raise SecondOfficerNeeded
    if body.verdict is Verdict.APPROVE:
        plan = _PLAN.validate_python(merger.plan)
        await _subjects(session, runtime, caller, grant, plan)
        if isinstance(plan, MergeIn):
            await execution.merge(session, merger, plan, caller)
        elif isinstance(plan, SplitIn):
            await execution.split(session, runtime, merger, plan, caller)
        else:
            undone = await _held(session, caller, grant, plan.merger_id)
            await execution.undo(session, merger, undone, plan, caller)
        merger.state = MergerState.DONE.value
    else:
        merger.state = MergerState.REJECTED.value
    merger.decided_by, merger.deciding_officer = caller.actor, officer
    merger.decided_at = datetime.now(UTC)
    return await _answer(session, caller, grant, merger, action="merger_decided")


async def show(session: AsyncSession, *, caller: Caller, grant: Grant, merger_id: UUID) -> MergerOut:
    """Return a proposal and what became of it.

    Raises:
        MergerNotFound: there is none about people within the agreement's scope.
    """
    merger = await _held(session, caller, grant, merger_id, lock=False)
    await _record(session, caller, grant, merger)
    return _out(merger)


async def latest_merge(session: AsyncSession, *, survivor: str, duplicate: str) -> MergerOut | None:
    """Return the last proposal to merge one number into another; the caller checks scope and records it."""
    found = await repository.latest_merge(session, survivor=survivor, duplicate=duplicate)
    return None if found is None else _out(found)


async def kept_of(session: AsyncSession, personal_id: str) -> dict[str, Any] | None:
    """Return what a merged number's own record held at the end: columns, with `cards` and `merged_at`."""
    kept = await repository.kept_of(session, personal_id)
    if kept is None:
        return None
    row = kept["duplicate"]
    opened = persons.keys_of(session).opened(row, UUID(row["person_id"]))
    return {**opened, "cards": kept["cards"], "merged_at": kept["merged_at"]}


async def _subjects(
    session: AsyncSession, runtime: Runtime, caller: Caller, grant: Grant, body: MergerIn
) -> dict[str, Any]:
    """Return whom a proposal is about, after looking whether it can be done."""
    if isinstance(body, UndoIn):
        undone = await _held(session, caller, grant, body.merger_id)
        if undone.state != MergerState.DONE or undone.kind == MergerKind.UNDO:
            raise MergerStepRefused("Only a merge or a split that is done can be undone.")
        return {
            "undoes": undone.id,
            "person_id": undone.person_id,
            "personal_id": undone.personal_id,
            "other_person_id": undone.other_person_id,
            "other_personal_id": undone.other_personal_id,
        }
    numbers = [body.personal_id] if isinstance(body, SplitIn) else [body.survivor, body.duplicate]
    people = {number: await _person(session, runtime, caller, grant, number) for number in sorted(numbers)}
    one = people[numbers[0]]
    if isinstance(body, SplitIn):
        return {"person_id": one.person_id, "personal_id": one.personal_id}
    other = people[body.duplicate]
    await _check_merge(session, one, other)
    return {
        "person_id": one.person_id,
        "personal_id": one.personal_id,
        "other_person_id": other.person_id,
        "other_personal_id": other.personal_id,
    }


async def _check_merge(session: AsyncSession, one: Person, other: Person) -> None:
    if await relationships.are_related(session, one.personal_id, other.personal_id):
        raise MergerContradicted("One of them is recorded as a relative of the other.")
    if other.household_number is not None:
        raise MergerContradicted("The duplicate is a member of a household: let it leave first.")
    if one.life_status != other.life_status:
        raise MergerContradicted("One record says alive and the other does not: correct that first.")


async def _person(
    session: AsyncSession, runtime: Runtime, caller: Caller, grant: Grant, number: str
) -> Person:
    person = await persons.within(
        session,
        runtime,
        caller=caller,
        grant=grant,
        personal_id=number,
        field_groups=[FieldGroup.PERSONAL_ID],
    )
    if person.personal_id != number:
        raise PersonAlreadyMerged
    return person


async def _held(
    session: AsyncSession, caller: Caller, grant: Grant, merger_id: UUID, *, lock: bool = True
) -> Merger:
    """Return a merger; it names all whom it is about, so all must lie within the agreement's scope."""
    merger = await repository.merger(session, merger_id, lock=lock)
    people = [] if merger is None else [await persons.find(session, n) for n in _numbers(merger)]
    if merger is None or any(person is None or not persons.covers(grant, person) for person in people):
        raise MergerNotFound
    found(session, caller, grant=grant, subjects=_numbers(merger), field_groups=[FieldGroup.PERSONAL_ID])
    return merger


def _numbers(merger: Merger) -> list[str]:
    return [n for n in (merger.personal_id, merger.other_personal_id) if n is not None]


def _officer(caller: Caller) -> str:
    if not caller.officer:
        raise OfficerMissing("Two officers decide on it: name yours in NDX-Officer.")
    if not is_officer(caller.officer):
        raise HeaderInvalid(
            "NDX-Officer must hold the officer's own number: letters, digits and . _ / - only."
        )
    return f"{caller.agency}:{caller.officer}"


def _case(caller: Caller) -> str:
    if not caller.case_id:
        raise CaseMissing("It belongs to a dossier: name it in NDX-Case-Id.")
    return caller.case_id


async def _answer(
    session: AsyncSession, caller: Caller, grant: Grant, merger: Merger, *, action: str
) -> MergerOut:
    await record_audit(
        session,
        caller,
        action=action,
        entity_type=ENTITY,
        entity_id=merger.id,
        details={
            "kind": merger.kind,
            "state": merger.state,
            "proposed_by": merger.proposing_officer,
            "decided_by": merger.deciding_officer,
        },
    )
    await _record(session, caller, grant, merger)
    return _out(merger)


async def _record(session: AsyncSession, caller: Caller, grant: Grant, merger: Merger) -> None:
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=_numbers(merger),
        field_groups=[FieldGroup.PERSONAL_ID],
        outcome=Outcome.DISCLOSED,
    )


def _out(merger: Merger) -> MergerOut:
    return MergerOut(
        id=merger.id,
        kind=MergerKind(merger.kind),
        state=MergerState(merger.state),
        personal_id=merger.personal_id,
        other_personal_id=merger.other_personal_id,
        undoes=merger.undoes,
        case_id=merger.case_id,
        proposed_at=merger.proposed_at,
        decided_at=merger.decided_at,
    )
