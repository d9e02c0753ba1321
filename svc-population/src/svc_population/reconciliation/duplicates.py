"""Use case: open cases about two records of this register that may be one person; a pair gets one for ever.

Nothing is merged here: an officer who finds that they are one person proposes a merger, another one approves.
That settles the case, whatever the commune has said by then; undone, the case is where it was.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.reconciliation import repository, rules
from svc_population.reconciliation.moving import Opened, begin, step_of, take_step
from svc_population.reconciliation.routing import settled_at
from svc_population.reconciliation.vocabulary import (
    WAITING,
    CaseKind,
    CaseOutcome,
    CaseState,
    DisputedField,
)

KIND = CaseKind.DUP_IN_AGENCY
_COMPARED = (
    DisputedField.BIRTH_NAME,
    DisputedField.BIRTH_DATE,
    DisputedField.SEX,
    DisputedField.LEGACY_ID_NUMBER,
    DisputedField.LIFE_STATUS,
    DisputedField.PERMANENT_COMMUNE_CODE,
)


@dataclass(frozen=True, slots=True)
class Suspected:
    """Two numbers, and why they may be one person's: zone, weight and levels, never a value."""

    one: str
    other: str
    reasons: tuple[str, ...]


def reference_of(one: RowMapping, other: RowMapping) -> str:
    """Return the pair's key; records keep it when their numbers change."""
    pair = ":".join(sorted((str(one["person_id"]), str(other["person_id"]))))
    return f"dedupe:{hashlib.sha256(pair.encode()).hexdigest()[:32]}"


async def open_suspected(session: AsyncSession, caller: Caller, pairs: Sequence[Suspected]) -> Opened:
    """Open a case for each pair that never had one; pairs whose records are one by now are left out."""
    numbers = sorted({n for p in pairs for n in (p.one, p.other)})
    persons = await repository.persons(session, numbers)
    wanted: dict[str, tuple[RowMapping, RowMapping, Suspected]] = {}
    for pair in pairs:
        one, other = persons.get(pair.one), persons.get(pair.other)
        if one is not None and other is not None and one["person_id"] != other["person_id"]:
            wanted[reference_of(one, other)] = (one, other, pair)
    await repository.one_at_a_time(session, caller.agency)
    keys = [(r, p["personal_id"], KIND.value) for r, (a, b, _) in wanted.items() for p in (a, b)]
    before = await repository.known(session, caller.agency, keys) if keys else []
    known = {c.reference for c in before} & wanted.keys()
    waiting = {c.personal_id for c in before if c.state in WAITING and c.kind == KIND}
    rows = []
    for reference, (one, other, pair) in wanted.items():
        free = [p for p in (one, other) if p["personal_id"] not in waiting]
        if reference not in known and free:
            about = free[0]
            waiting.add(about["personal_id"])
            rows.append(_row(caller, reference, about, other if about is one else one, pair.reasons))
    new = await begin(session, caller, rows, keys, asked=len(pairs))
    return Opened(new, len(known), len(wanted) - len(known) - new)


async def settle_merged(
    session: AsyncSession, caller: Caller, *, survivor: str, merger_id: UUID
) -> dict[str, str]:
    """Settle the cases whose two records are one by now; return the states they were in, to undo it."""
    settled = {}
    for case in await repository.about_both(session, [survivor]):
        if case.state != CaseState.RESOLVED:
            settled[str(case.id)] = case.state
            evidence = (f"outcome: {CaseOutcome.MERGED}", f"merger: {merger_id}")
            await take_step(session, caller, case, CaseState.RESOLVED, note=None, evidence=evidence)
    return settled


async def reopen_parted(
    session: AsyncSession, caller: Caller, settled: Mapping[str, str], *, merger_id: UUID
) -> None:
    """Bring the cases that a merger settled back to where they were, now that it is undone.

    One that would wait beside another case about the same record stays RESOLVED, and says that it does.
    """
    for case_id, before in settled.items():
        case = await repository.case(session, UUID(case_id))
        if case is None or f"outcome: {CaseOutcome.MERGED}" not in case.steps[-1]["evidence"]:
            continue  # somebody moved it since
        state, evidence = CaseState(before), [f"merger undone: {merger_id}"]
        if state in WAITING:
            await repository.one_at_a_time(session, case.agency)
            others = await repository.known(session, case.agency, [("", case.personal_id, case.kind)])
            if any(c.id != case.id and c.state in WAITING for c in others):
                state = CaseState.RESOLVED
                evidence.append("not reopened: another case about the record is under review")
            else:
                case.deadline = rules.deadline(KIND, today())
        await take_step(session, caller, case, state, note=None, evidence=evidence)


def _row(
    caller: Caller, reference: str, about: RowMapping, other: RowMapping, reasons: tuple[str, ...]
) -> dict[str, Any]:
    ours, theirs = rules.ours_of(about, _COMPARED), rules.ours_of(other, _COMPARED)
    disputed = [
        {"field": f.value, "theirs": said, "ours": ours[f], "agrees": False}
        for f, said in theirs.items()
        if said is not None and not rules.agrees(f, said, ours[f])
    ]
    province, commune = settled_at(about)
    return {
        "id": new_id(),
        "agency": caller.agency,
        "reference": reference,
        "kind": KIND.value,
        "state": CaseState.CLERICAL_REVIEW.value,
        "personal_id": about["personal_id"],
        "person_id": about["person_id"],
        "other_personal_id": other["personal_id"],
        "other_person_id": other["person_id"],
        "province_code": province,
        "commune_code": commune,
        "disputed": disputed,
        "steps": [step_of(caller, CaseState.CLERICAL_REVIEW, None, reasons)],
        "deadline": rules.deadline(KIND, today()),
    }
