"""Use cases of reconciliation: open many, see one's own, see those of a commune, decide, reopen."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose, found
from ndx_chassis.errors import FieldError, InvalidInput
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_chassis.telemetry import log
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.persons import service as persons
from svc_population.persons import verification
from svc_population.reconciliation import events, repository, rules
from svc_population.reconciliation.errors import CaseNotFound, CaseStepRefused
from svc_population.reconciliation.guesses import Guesses
from svc_population.reconciliation.models import ReconciliationCase
from svc_population.reconciliation.moving import ENTITY, step_of, take_step
from svc_population.reconciliation.routing import place_of, place_today, routed, settled_at, stated_as
from svc_population.reconciliation.schemas import (
    CaseIn,
    CaseOut,
    CasesIn,
    CasesOut,
    DisputeOut,
    OpenedCasesOut,
    OpenedOut,
    OutcomeIn,
    OwnCaseOut,
    OwnCasesOut,
    ReopenIn,
    StepOut,
)
from svc_population.reconciliation.vocabulary import (
    GROUP_OF,
    NEXT,
    REOPENED_FROM,
    WAITING,
    CaseKind,
    CaseOutcome,
    CaseState,
    DisputedField,
)

GROUPS = tuple(sorted({*GROUP_OF.values(), FieldGroup.PERSONAL_ID}))


async def open_cases(
    session: AsyncSession, *, caller: Caller, grant: Grant, body: CasesIn, wrong_guesses: int | None
) -> OpenedCasesOut:
    """Open cases for differences that an agency found, once per reference; what agrees is AUTO_MATCHED.

    `wrong_guesses`: after so many about a person in 24 hours the agency is not told what agrees; None: they
    are counted elsewhere. Who is outside the scope is ID_NOT_FOUND as nobody is, for the stated commune.

    Raises:
        FieldGroupNotCovered: the agreement does not hold the group of a disputed field.
    """
    grant.require_field_groups({GROUP_OF[d.field] for item in body.items for d in item.disputed})
    people = await repository.persons(session, sorted({i.personal_id for i in body.items}))
    # One call of an agency after the other: two guesses at once would both be compared.
    await repository.one_at_a_time(session, caller.agency)
    numbers = [] if wrong_guesses is None else sorted({p["personal_id"] for p in people.values()})
    before_now = await verification.wrong_guesses(session, agency=caller.agency, personal_ids=numbers)
    guesses = Guesses(wrong_guesses, before_now)
    rows = [_row(caller, grant, item, people.get(item.personal_id), guesses) for item in body.items]
    keys = [(r["reference"], r["personal_id"], r["kind"]) for r in rows]
    before = await repository.known(session, caller.agency, keys)
    fresh = _fresh(rows, await _today(session, before))
    new = await repository.add(session, fresh)
    if wrong_guesses is not None:
        await verification.count_guesses(session, caller.agency, guesses.of(fresh))
    # A merger that is committed between two statements changes numbers: what one of them found stays found.
    found_now = await repository.known(session, caller.agency, keys)
    held = list({c.id: c for c in (*before, *found_now)}.values())
    under = {c.id: {c.personal_id} for c in held}
    now = await persons.current_numbers(session, sorted({k[1] for k in keys}))
    for case in await _today(session, held):
        under[case.id].add(case.personal_id)
    by_reference = {c.reference: c for c in held}
    waiting = {(number, c.kind): c for c in held if c.state in WAITING for number in under[c.id]}
    items = []
    learnt: dict[tuple[Outcome, frozenset[FieldGroup]], set[str]] = defaultdict(set)
    for reference, number, kind in keys:
        about = number if (number, kind) in waiting else now.get(number, number)
        case = by_reference.get(reference) or waiting[about, kind]
        items.append(_opened(case, reference, is_new=case.id in new and case.reference == reference))
        learnt[_learnt(case)].add(case.personal_id)
    for case in held:
        if case.id in new:
            await publish(session, events.case_changed(case))
    await record_audit(
        session,
        caller,
        action="reconciliation_cases_opened",
        entity_type=ENTITY,
        entity_id=new_id(),
        details={"asked": len(rows), "new": len(new)},
    )
    for (outcome, groups), subjects in learnt.items():
        await disclose(
            session,
            caller,
            grant=grant,
            subjects=sorted(subjects),
            field_groups=groups,
            outcome=outcome,
        )
    log.info("reconciliation_cases_opened", cases=len(new))
    return OpenedCasesOut(items=tuple(items))


async def _today(session: AsyncSession, cases: Sequence[ReconciliationCase]) -> Sequence[ReconciliationCase]:
    """Let cases about people of this register name them by their numbers of today.

    A case about a number that nobody within the agreement has keeps it as it was stated.
    """
    known = [c for c in cases if c.person_id is not None]
    stated = {n for c in known for n in (c.personal_id, c.other_personal_id) if n is not None}
    now = await persons.current_numbers(session, sorted(stated))
    for case in known:
        other = case.other_personal_id
        repository.show_as(
            case,
            now.get(case.personal_id, case.personal_id),
            other=None if other is None else now.get(other, other),
        )
    return cases


def _fresh(rows: Sequence[dict[str, Any]], known: Sequence[ReconciliationCase]) -> list[dict[str, Any]]:
    """Return the rows that become cases: neither of a known reference, nor beside a waiting case."""
    references = {c.reference for c in known}
    waiting = {(c.personal_id, c.kind) for c in known if c.state in WAITING}
    fresh = []
    for row in rows:
        about = (row["personal_id"], row["kind"])
        if row["reference"] not in references and about not in waiting:
            fresh.append(row)
            references.add(row["reference"])
            if row["state"] in WAITING:
                waiting.add(about)
    return fresh


def _row(
    caller: Caller, grant: Grant, item: CaseIn, person: RowMapping | None, guesses: Guesses
) -> dict[str, Any]:
    place = place_today(item.province_code, item.commune_code, day=today())
    if person is not None and not grant.covers(*place_of(person)):
        person = None
    if person is not None:
        place = settled_at(person)
    kind = item.kind if person is not None else CaseKind.ID_NOT_FOUND
    fields = tuple(d.field for d in item.disputed)
    ours: dict[DisputedField, str | None] = (
        dict.fromkeys(fields) if person is None else rules.ours_of(person, fields)
    )
    compared = person is None or guesses.left(person["personal_id"])
    disputed = [
        {
            "field": d.field.value,
            "theirs": d.value,
            "ours": ours[d.field],
            "agrees": compared and rules.agrees(d.field, d.value, ours[d.field]),
        }
        for d in item.disputed
    ]
    same = person is not None and disputed and all(d["agrees"] for d in disputed)
    state = CaseState.AUTO_MATCHED if same else CaseState.CLERICAL_REVIEW
    step = step_of(caller, state, None, item.evidence)
    row = {
        "id": new_id(),
        "agency": caller.agency,
        "reference": item.reference,
        "kind": kind.value,
        "state": state.value,
        "personal_id": item.personal_id if person is None else person["personal_id"],
        "person_id": None if person is None else person["person_id"],
        "province_code": place[0],
        "commune_code": place[1],
        "disputed": disputed,
        "steps": [step],
        "deadline": rules.deadline(kind, today()),
    }
    guesses.add(row, compared=compared)
    return row


def _opened(case: ReconciliationCase, reference: str, *, is_new: bool) -> OpenedOut:
    return OpenedOut(
        reference=reference,
        case_id=case.id,
        kind=CaseKind(case.kind),
        state=CaseState(case.state),
        deadline=case.deadline,
        routed_to=routed(case)[1],
        is_new=is_new,
    )


def _learnt(case: ReconciliationCase) -> tuple[Outcome, frozenset[FieldGroup]]:
    groups = frozenset(GROUP_OF[DisputedField(d["field"])] for d in case.disputed)
    if case.person_id is None:
        return Outcome.NOT_FOUND, groups or frozenset({FieldGroup.PERSONAL_ID})
    matched = case.state == CaseState.AUTO_MATCHED
    outcome = Outcome.MATCHED if matched else Outcome.NOT_MATCHED
    return outcome, groups or frozenset({FieldGroup.PERSONAL_ID})


async def list_own_cases(
    session: AsyncSession, *, caller: Caller, grant: Grant, cursor: UUID | None, limit: int
) -> OwnCasesOut:
    """Return the cases that the calling agency opened: what came out, never this register's values."""
    rows = await _today(session, await repository.own(session, caller.agency, after=cursor, limit=limit + 1))
    shown = rows[:limit]
    await _record(session, caller, grant, shown, Outcome.NOT_MATCHED)
    return OwnCasesOut(
        items=tuple(OwnCaseOut(**_own(c)) for c in shown),
        next_cursor=shown[-1].id if len(rows) > limit else None,
    )


async def _record(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    cases: Sequence[ReconciliationCase],
    outcome: Outcome,
) -> None:
    """Record what was learnt: about each person, the groups that are in dispute about them."""
    told: dict[frozenset[FieldGroup], set[str]] = defaultdict(set)
    for case in cases:
        told[_learnt(case)[1]].update(n for n in (case.personal_id, case.other_personal_id) if n is not None)
    for groups, subjects in told.items():
        await disclose(
            session, caller, grant=grant, subjects=sorted(subjects), field_groups=groups, outcome=outcome
        )


def outcome_of(case: ReconciliationCase) -> CaseOutcome | None:
    """Return what settled a case without the commune: its last step says so."""
    evidence = case.steps[-1]["evidence"] if case.steps else ()
    return next((o for o in CaseOutcome if f"outcome: {o}" in evidence), None)


def _own(case: ReconciliationCase) -> dict[str, Any]:
    return {
        "case_id": case.id,
        "reference": case.reference,
        "personal_id": case.personal_id,
        "other_personal_id": case.other_personal_id,
        "kind": CaseKind(case.kind),
        "state": CaseState(case.state),
        "outcome": outcome_of(case),
        "deadline": case.deadline,
        "overdue": case.state in WAITING and case.deadline < today(),
        "routed_to": routed(case)[1],
        "differing": tuple(DisputedField(d["field"]) for d in case.disputed if not d["agrees"]),
    }


def _whole(case: ReconciliationCase) -> CaseOut:
    return CaseOut(
        **_own(case),
        agency=case.agency,
        **routed(case)[0]._asdict(),
        disputed=tuple(DisputeOut(**d) for d in case.disputed),
        steps=tuple(
            StepOut(
                state=CaseState(s["state"]),
                on=datetime.fromisoformat(s["at"]).astimezone(VIETNAM).date(),
                agency=s["agency"],
                officer=s["officer"],
                note=s["note"],
                evidence=tuple(s["evidence"]),
            )
            for s in case.steps
        ),
    )


async def list_cases(
    session: AsyncSession, *, caller: Caller, grant: Grant, cursor: str | None, limit: int
) -> CasesOut:
    """Return the waiting cases of the agreement's area with both sides' values of the disputed fields.

    Cases about a field whose group the agreement does not hold are passed over.
    """
    scope = grant.agreement.admin_scope
    # Cases from before a change of units name the units of their day.
    provinces, communes = stated_as(scope.provinces, scope.communes, day=today())
    rows = await repository.waiting(
        session,
        provinces=provinces,
        communes=communes,
        seen=[field.value for field, group in GROUP_OF.items() if group in grant.field_groups],
        after=None if cursor is None else _position(cursor),
        limit=limit + 1,
    )
    shown = await _today(session, rows[:limit])
    await _record(session, caller, grant, shown, Outcome.DISCLOSED)
    last = f"{shown[-1].deadline}_{shown[-1].id}" if len(rows) > limit else None
    return CasesOut(items=tuple(_whole(c) for c in shown), next_cursor=last)


def _position(cursor: str) -> tuple[date, UUID]:
    day, _, identifier = cursor.partition("_")
    try:
        return date.fromisoformat(day), UUID(identifier)
    except ValueError:
        wrong = FieldError(field="query.cursor", code="invalid", detail="not given by this list")
        raise InvalidInput(errors=[wrong]) from None


async def decide_case(
    session: AsyncSession, *, caller: Caller, grant: Grant, case_id: UUID, body: OutcomeIn
) -> CaseOut:
    """Record what the commune found out.

    Raises:
        CaseNotFound: there is none, or it is settled elsewhere.
        CaseStepRefused: the state does not lead to this outcome.
    """
    case = await _mine(session, caller, grant, case_id)
    target = CaseState(body.state)
    if target not in NEXT.get(CaseState(case.state), frozenset()):
        raise CaseStepRefused(f"{case.state} does not lead to {target}.")
    return await _move(session, caller, grant, case, target, note=body.note, evidence=body.evidence)


async def reopen_case(
    session: AsyncSession, *, caller: Caller, grant: Grant, case_id: UUID, body: ReopenIn
) -> OwnCaseOut:
    """Let the agency that opened a case bring new evidence: it is reviewed again, with a new deadline.

    Raises:
        CaseNotFound: the agency opened no such case.
        CaseStepRefused: it is under review.
    """
    case = await repository.case(session, case_id)
    if case is None or case.agency != caller.agency:
        raise CaseNotFound
    await _in_hand(session, caller, grant, case)
    if CaseState(case.state) not in REOPENED_FROM:
        raise CaseStepRefused(f"{case.state} is under review.")
    keys = [("", case.personal_id, case.kind)]
    if any(
        c.id != case.id and c.state in WAITING for c in await repository.known(session, case.agency, keys)
    ):
        raise CaseStepRefused("Another case of this kind about the person is under review.")
    case.deadline = rules.deadline(CaseKind(case.kind), today())
    await _move(
        session, caller, grant, case, CaseState.CLERICAL_REVIEW, note=body.note, evidence=body.evidence
    )
    return OwnCaseOut(**_own(case))


async def _mine(session: AsyncSession, caller: Caller, grant: Grant, case_id: UUID) -> ReconciliationCase:
    case = await repository.case(session, case_id)
    if case is None or not grant.covers(*routed(case)[0]):
        raise CaseNotFound
    grant.require_field_groups({GROUP_OF[DisputedField(d["field"])] for d in case.disputed})
    return await _in_hand(session, caller, grant, case)


async def _in_hand(
    session: AsyncSession, caller: Caller, grant: Grant, case: ReconciliationCase
) -> ReconciliationCase:
    """Return the case under the number of today; a refusal from here on tells of the person."""
    await _today(session, [case])
    found(session, caller, grant=grant, subjects=[case.personal_id], field_groups=_learnt(case)[1])
    return case


async def _move(
    session: AsyncSession,
    caller: Caller,
    grant: Grant,
    case: ReconciliationCase,
    state: CaseState,
    *,
    note: str,
    evidence: Sequence[str],
) -> CaseOut:
    await take_step(session, caller, case, state, note=note, evidence=evidence)
    await _record(session, caller, grant, [case], Outcome.DISCLOSED)
    log.info("reconciliation_case_moved", reconciliation_id=str(case.id), state=state.value)
    return _whole(case)
