"""Use case: open cases about records that break a rule of quality, for the commune where each person lives.

A fault gets one case for ever: the rule, the person and what is recorded. A record that is mended and breaks
the rule with other values later gets another one.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ndx_chassis.caller import Caller
from ndx_chassis.ids import new_id
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.reconciliation import repository, rules
from svc_population.reconciliation.moving import Opened, begin, step_of
from svc_population.reconciliation.routing import settled_at
from svc_population.reconciliation.vocabulary import WAITING, CaseKind, CaseState

KIND = CaseKind.QUALITY_FAULT


@dataclass(frozen=True, slots=True)
class Fault:
    """Whose record breaks which rule; `recorded` tells this fault from a later one and is not kept."""

    personal_id: str
    rule: str
    words: tuple[str, ...]
    """What the commune reads: names of the rule and its columns, never a value."""
    recorded: str


def _reference(person: RowMapping, fault: Fault) -> str:
    told = f"{person['person_id']}\n{fault.recorded}"
    return f"quality:{fault.rule}:{hashlib.sha256(told.encode()).hexdigest()[:32]}"


async def open_faults(session: AsyncSession, caller: Caller, faults: Sequence[Fault]) -> Opened:
    """Open a case for each fault that never had one; a person has one waiting case of this kind at a time."""
    people = await repository.persons(session, sorted({f.personal_id for f in faults}))
    wanted = {
        _reference(people[f.personal_id], f): (people[f.personal_id], f)
        for f in faults
        if f.personal_id in people
    }
    await repository.one_at_a_time(session, caller.agency)
    keys = [(reference, p["personal_id"], KIND.value) for reference, (p, _) in wanted.items()]
    before = await repository.known(session, caller.agency, keys) if keys else []
    known = {c.reference for c in before} & wanted.keys()
    waiting = {c.person_id for c in before if c.state in WAITING and c.kind == KIND}
    rows = []
    for reference, (person, fault) in wanted.items():
        if reference not in known and person["person_id"] not in waiting:
            waiting.add(person["person_id"])
            rows.append(_row(caller, reference, person, fault))
    new = await begin(session, caller, rows, keys, asked=len(faults))
    return Opened(new, len(known), len(wanted) - len(known) - new)


def _row(caller: Caller, reference: str, person: RowMapping, fault: Fault) -> dict[str, Any]:
    province, commune = settled_at(person)
    return {
        "id": new_id(),
        "agency": caller.agency,
        "reference": reference,
        "kind": KIND.value,
        "state": CaseState.CLERICAL_REVIEW.value,
        "personal_id": person["personal_id"],
        "person_id": person["person_id"],
        "province_code": province,
        "commune_code": commune,
        "disputed": [],
        "steps": [step_of(caller, CaseState.CLERICAL_REVIEW, None, fault.words)],
        "deadline": rules.deadline(KIND, today()),
    }
