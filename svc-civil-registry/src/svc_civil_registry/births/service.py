"""Declares births, and answers with their number as soon as it is there."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_chassis.errors import FieldError
from ndx_chassis.idempotency import once
from ndx_chassis.ids import new_id
from ndx_contracts.bodies import Output
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from svc_civil_registry.admin_units.service import find_unit
from svc_civil_registry.births import numbering, repository
from svc_civil_registry.births.answers import birth_out
from svc_civil_registry.births.errors import (
    BirthNotFound,
    NumberRefused,
    PlaceUnknown,
    PotentialDuplicate,
)
from svc_civil_registry.births.numbering import Recipient, Waiting
from svc_civil_registry.births.schemas import (
    BirthIn,
    BirthOut,
)
from svc_civil_registry.books import service as books
from svc_civil_registry.deadlines.service import is_late, today
from svc_civil_registry.duplicates import service as duplicates
from svc_civil_registry.duplicates.name_folding import fold, variant_key
from svc_civil_registry.duplicates.service import BirthFacts, Hit
from svc_civil_registry.events import service as events
from svc_civil_registry.events.lifecycle import Action
from svc_civil_registry.events.service import Place, Record
from svc_civil_registry.events.vocabulary import ActionType, Flag, RecordKind, Status

GROUPS = (FieldGroup.CIVIL_STATUS_RECORD,)
SAME_DECLARATION = "same-declaration"


class Receipt(Output):
    """What an Idempotency-Key stands for: the birth that it made or changed."""

    birth_id: UUID


# Declaring


async def declare_birth(
    runtime: Runtime, caller: Caller, grant: Grant, declaration: BirthIn, *, key: str | None
) -> BirthOut:
    """Declare a birth, and register it as soon as its number is there.

    Raises:
        PotentialDuplicate: the record is kept and waits for an officer.
        NumberRefused: the record is kept; the population database gives it no number.
        OfficeUnknown, OfficeNotCovered, PlaceUnknown: the declaration cannot be taken here.
    """
    grant.require_field_groups(GROUPS)
    place = events.place_of(caller, grant, declaration.office)
    _check_places(declaration)

    async def act(session: AsyncSession) -> tuple[UUID, Waiting | None]:
        return await _declare(session, runtime, caller, place, declaration, key=key)

    return await commit_and_obtain(runtime, caller, grant, declaration, key=key, act=act)


async def _declare(
    session: AsyncSession,
    runtime: Runtime,
    caller: Caller,
    place: Place,
    declaration: BirthIn,
    *,
    key: str | None,
) -> tuple[UUID, Waiting | None]:
    birth_id = new_id()
    facts = _facts(birth_id, declaration)
    columns = _columns(facts)
    hits = await _find_hits(session, facts, columns)
    late = is_late("BIRTH", occurred_on=facts.birth_date, declared_on=today())
    actions = [Action(ActionType.CREATE, {}), Action(ActionType.DECLARE, {"late": late})]
    if hits:
        found = [{"rule": h.rule, "birth_id": str(h.birth_id)} for h in hits]
        reasons = sorted({h.rule for h in hits})
        actions.append(Action(ActionType.DETECT_DUPLICATE, {"reasons": reasons, "hits": found}))
    else:
        actions.append(Action(ActionType.REQUEST_NUMBER, {}))
    record = await events.open_record(
        session,
        record_id=birth_id,
        kind=RecordKind.BIRTH,
        place=place,
        actor=caller,
        transaction_id=key or caller.request_id,
        actions=actions,
    )
    await repository.insert_birth(
        session,
        {
            **columns,
            "record_id": birth_id,
            "declaration": declaration.model_dump(mode="json"),
            "natural_key": None if hits else columns["natural_key"],
        },
    )
    await record_audit(
        session,
        caller,
        action="birth_declared",
        entity_type="birth",
        entity_id=birth_id,
        details={"office": place.office, "flags": sorted(record.state.flags)},
    )
    if hits:
        return birth_id, None
    return birth_id, await numbering.enqueue(session, runtime, record, declaration, confirmed=False)


def _check_places(declaration: BirthIn) -> None:
    child = declaration.child
    for field, code in (
        ("child.birth_place_code", child.birth_place_code),
        ("child.home_town_province_code", child.home_town_province_code),
    ):
        if code is not None and find_unit(code) is None:
            raise PlaceUnknown(
                errors=[FieldError(field=field, code="place-unknown", detail="not in the list in force")]
            )


def _facts(birth_id: UUID, declaration: BirthIn) -> BirthFacts:
    child, mother = declaration.child, declaration.mother
    return BirthFacts(
        birth_id=birth_id,
        child_name=child.full_name,
        birth_date=child.birth_date,
        plurality=child.plurality,
        birth_order=child.birth_order,
        mother_name=mother.name if mother else None,
        mother_personal_id=mother.personal_id if mother else None,
        mother_birth_year=mother.birth_year if mother else None,
        notice=declaration.evidence.number.upper() if declaration.evidence.number else None,
    )


def _columns(facts: BirthFacts) -> dict[str, Any]:
    child_key = fold(facts.child_name)
    mother_key = variant_key(facts.mother_name) if facts.mother_name else None
    mother = facts.mother_personal_id or f"{mother_key}/{facts.mother_birth_year}"
    natural = f"{mother}|{facts.birth_date}|{child_key}|{facts.birth_order}"
    return {
        "birth_date": facts.birth_date,
        "child_key": child_key,
        "mother_key": mother_key,
        "mother_personal_id": facts.mother_personal_id,
        "notice": facts.notice,
        "natural_key": hashlib.sha256(natural.encode()).hexdigest(),
    }


async def _find_hits(session: AsyncSession, facts: BirthFacts, columns: dict[str, Any]) -> Sequence[Hit]:
    day = today()
    shared = [f"child|{columns['child_key']}|{facts.birth_date}"]
    if facts.mother_personal_id is not None:
        shared.append(f"mother|{facts.mother_personal_id}")
    if facts.notice is not None:
        shared.append(f"notice|{facts.notice}")
    # Candidates are found by the mother's name on several days, and by the child's where no mother is named.
    mother_key = columns["mother_key"]
    shared.append(f"mother-name|{mother_key}" if mother_key else f"child|{columns['child_key']}")
    await repository.lock_keys(session, [_lock_key(s) for s in shared])
    candidates = await repository.find_candidates(
        session,
        birth_date=facts.birth_date,
        window_days=duplicates.window_days(day),
        child_key=columns["child_key"],
        mother_key=columns["mother_key"],
        mother_personal_id=facts.mother_personal_id,
        notice=facts.notice,
    )
    if not candidates:
        return ()
    others = [_facts(row.record_id, BirthIn.model_validate(row.declaration)) for row in candidates]
    hits = duplicates.find_hits(facts, others, day=day)
    # What no rule in force says, the natural key still does: the database holds it unique.
    same = [r for r in candidates if r.natural_key is not None and r.natural_key == columns["natural_key"]]
    return hits or tuple(Hit(SAME_DECLARATION, row.record_id) for row in same)


def _lock_key(words: str) -> int:
    return int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big", signed=True)


# The number, and the answer


async def commit_and_obtain(
    runtime: Runtime,
    caller: Caller,
    grant: Grant,
    request: BaseModel,
    *,
    key: str | None,
    act: Callable[[AsyncSession], Awaitable[tuple[UUID, Waiting | None]]],
) -> BirthOut:
    """Commit what `act` does, once per key; then ask for the number, with no transaction open."""
    waiting: Waiting | None = None

    async def run() -> Receipt:
        nonlocal waiting
        birth_id, waiting = await act(session)
        return Receipt(birth_id=birth_id)

    async with runtime.sessions() as session, session.begin():
        receipt = await once(
            session, caller, grant=grant, key=key, request=request, response_type=Receipt, act=run
        )
        if waiting is None:
            # A repeat of a call: the first one may still be asking, or may have died while asking.
            waiting = await still_waiting(session, runtime, receipt.birth_id)
    runtime.nudge()
    answer: BirthOut | None = None
    if waiting is not None:
        recipient = Recipient(caller, grant)
        answer = await numbering.obtain(runtime, waiting, actor=caller, recipient=recipient)
    if answer is None or answer.status is not Status.REGISTERED:
        answer = await _current(runtime, caller, grant, receipt.birth_id)
    return answer


async def still_waiting(session: AsyncSession, runtime: Runtime, birth_id: UUID) -> Waiting | None:
    """Lease a waiting birth for an attempt now; None when it does not wait."""
    lease = numbering.settings_of(runtime).number_lease_seconds
    queued = await repository.lease_number_request(session, birth_id, lease=lease)
    return await numbering.waiting_from(session, queued) if queued is not None else None


async def _current(runtime: Runtime, caller: Caller, grant: Grant, birth_id: UUID) -> BirthOut:
    async with runtime.sessions() as session, session.begin():
        record, birth = await load(session, caller, grant, birth_id)
        refusal = _refusal(record)
        if refusal is not None:
            # A suspicion or a refusal tells something about the parents: it is recorded before it is told.
            parents = subjects_of(BirthIn.model_validate(birth.declaration))
            suspected = isinstance(refusal, PotentialDuplicate)
            await disclose_birth(
                session,
                caller,
                grant,
                parents,
                outcome=Outcome.MATCHED if suspected else Outcome.NOT_MATCHED,
            )
        elif birth.personal_id is not None:
            await disclose_birth(session, caller, grant, [birth.personal_id])
        number = await books.find(session, birth_id)
    if refusal is not None:
        raise refusal
    return birth_out(record, personal_id=birth.personal_id, registered_at=birth.registered_at, number=number)


def _refusal(record: Record) -> PotentialDuplicate | NumberRefused | None:
    state = record.state
    if state.status is not Status.DECLARED or Flag.AWAITING_PERSONAL_ID in state.flags:
        return None
    if Flag.POTENTIAL_DUPLICATE in state.flags:
        return PotentialDuplicate(record.id, _recorded_hits(record), state.reasons)
    return NumberRefused(record.id, state.reasons)


def subjects_of(declaration: BirthIn, personal_id: str | None = None) -> list[str]:
    """Return the numbers of the people whom a birth record tells about, the child's first."""
    mother, father = declaration.mother, declaration.father
    people = (
        personal_id,
        mother.personal_id if mother else None,
        father.personal_id if father else None,
        declaration.declarant.personal_id,
    )
    return list(dict.fromkeys(p for p in people if p))


def _recorded_hits(record: Record) -> list[Hit]:
    last = [s for s in record.steps if s.type in {ActionType.DETECT_DUPLICATE, ActionType.REFUSE_NUMBER}][-1:]
    listed = last[0].content.get("hits") if last else None
    return [Hit(str(e["rule"]), UUID(e["birth_id"])) for e in listed] if isinstance(listed, list) else []


async def load(
    session: AsyncSession, caller: Caller, grant: Grant, birth_id: UUID, *, for_update: bool = False
) -> tuple[Record, Any]:
    """Return a birth's record and row; what is outside the caller's reach does not exist for them.

    Raises:
        BirthNotFound: there is none within the caller's reach.
    """
    record = await events.find_record(session, birth_id, RecordKind.BIRTH, for_update=for_update)
    if record is None or not events.sees(caller, grant, record):
        raise BirthNotFound
    return record, await repository.find_birth(session, birth_id)


async def disclose_birth(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    subjects: Sequence[str],
    *,
    outcome: Outcome = Outcome.DISCLOSED,
) -> None:
    """Note who learnt about these people, in the transaction that reads."""
    await disclose(session, caller, grant=grant, subjects=subjects, field_groups=GROUPS, outcome=outcome)
