"""Use cases: draft, submit, decide by a second person, suspend at once; each step is kept and announced."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import cast

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Operator
from ndx_chassis.ids import new_id
from ndx_chassis.outbox import publish
from ndx_contracts.agreements import Agreement, AgreementState, AgreementTerms
from ndx_contracts.events import AgreementChanged
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.models import Role
from gateway.agreements import repository
from gateway.agreements.errors import (
    AgreementNotFound,
    FourEyes,
    StepRefused,
    TermsRefused,
    VersionConflict,
)
from gateway.agreements.models import ACTIONS, AgreementDecision, AgreementRow
from gateway.agreements.schemas import AgreementHistory, AgreementList, DecisionOut
from gateway.notices import announce
from gateway.settings import Settings

_ENFORCEABLE = (AgreementState.ACTIVE.value, AgreementState.SUSPENDED.value)
_PUBLISHED = frozenset({"activate", "suspend", "resume", "expire", "terminate"})


def document(row: AgreementRow, name: str = "", name_en: str = "") -> Agreement:
    """Return the agreement as a document."""
    return Agreement(
        agreement_id=row.agreement_id,
        version=row.version,
        state=AgreementState(row.state),
        consumer_name=name,
        consumer_name_en=name_en,
        **row.terms,
    )


class _Clock:
    """The actor of steps that the calendar takes."""

    actor = "clock"
    officer = None
    case_id = None
    request_id = "-"
    agency = "NDX"
    login = "clock"


async def _step(
    session: AsyncSession, actor: Operator | _Clock, row: AgreementRow, action: str, reason: str | None
) -> Agreement:
    allowed, state = ACTIONS[action]
    if AgreementState(row.state) not in allowed:
        raise StepRefused(f"The agreement is {row.state}.")
    row.state, row.updated_at = state.value, datetime.now(UTC)
    return await _record(session, actor, row, action, reason)


async def _record(
    session: AsyncSession, actor: Operator | _Clock, row: AgreementRow, action: str, reason: str | None
) -> Agreement:
    session.add(
        AgreementDecision(
            id=new_id(),
            agreement_id=row.agreement_id,
            version=row.version,
            action=action,
            state=row.state,
            decided_by=f"{actor.agency}:{actor.login}",
            reason=reason,
            terms=row.terms,
            decided_at=datetime.now(UTC),
        )
    )
    await session.flush()
    await record_audit(
        session,
        actor,
        action=f"agreement_{action}",
        entity_type="agreement",
        entity_id=row.agreement_id,
        details={"version": row.version, "state": row.state},
    )
    agency = await agencies.agency_named(session, row.consumer_agency)
    agreement = document(row, agency.name, agency.name_en)
    if action in _PUBLISHED:
        await publish(session, AgreementChanged(**agreement.model_dump()))
        await announce(session, "suspension" if action in {"suspend", "resume"} else "agreement")
    return agreement


def _check_terms(
    terms: AgreementTerms, known: Mapping[str, Sequence[str]], owners: Mapping[str, str]
) -> None:
    for grant in terms.operations:
        owner = owners.get(grant.operation.partition(".")[0])
        if owner != terms.provider_agency:
            raise TermsRefused(f"{terms.provider_agency} is not the agency that provides {grant.operation}.")
        operation = known.get(grant.operation)
        if operation is None:
            raise TermsRefused(f"There is no operation {grant.operation}.")
        extra = sorted(set(grant.field_groups) - set(operation))
        if extra:
            raise TermsRefused(f"{grant.operation} does not disclose {', '.join(extra)}.")


async def draft_agreement(
    session: AsyncSession,
    operator: Operator,
    *,
    terms: AgreementTerms,
    known: Mapping[str, Sequence[str]],
    owners: Mapping[str, str],
) -> Agreement:
    """Write a draft.

    `known` maps each operation of the catalogue to the field groups that it can disclose, `owners` each
    service to the agency that provides it.

    Raises:
        TermsRefused: an operation or field group that does not exist, or a provider that is not its owner.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    await agencies.agency_named(session, terms.consumer_agency)
    await agencies.agency_named(session, terms.provider_agency)
    _check_terms(terms, known, owners)
    # One draft at a time per consumer keeps the numbers free of gaps and races.
    await agencies.lock_agency(session, terms.consumer_agency)
    number = await repository.next_number(session, terms.consumer_agency)
    row = AgreementRow(
        agreement_id=f"DSA-{terms.consumer_agency}-{number}",
        version=1,
        state=AgreementState.DRAFT.value,
        terms=terms.model_dump(mode="json"),
        consumer_agency=terms.consumer_agency,
        provider_agency=terms.provider_agency,
        drafted_by=f"{operator.agency}:{operator.login}",
        updated_at=datetime.now(UTC),
    )
    session.add(row)
    return await _record(session, operator, row, "draft", None)


async def change_draft(
    session: AsyncSession,
    operator: Operator,
    *,
    agreement_id: str,
    terms: AgreementTerms,
    known: Mapping[str, Sequence[str]],
    owners: Mapping[str, str],
    seen_version: int | None = None,
) -> Agreement:
    """Write new terms into a draft as its next version; the former ones stay in the history.

    Raises:
        VersionConflict: the draft is no longer the version that the operator saw.
    """
    await agencies.require_role(session, operator, Role.OPERATOR)
    row = await _locked(session, agreement_id)
    if row.state != AgreementState.DRAFT.value:
        raise StepRefused("Only a draft can be changed.")
    if seen_version is not None and seen_version != row.version:
        raise VersionConflict(f"The draft is at version {row.version} now.")
    if terms.consumer_agency != row.consumer_agency:
        raise TermsRefused("The consumer agency of an agreement does not change.")
    await agencies.agency_named(session, terms.provider_agency)
    _check_terms(terms, known, owners)
    row.terms = terms.model_dump(mode="json")
    row.version += 1
    row.updated_at = datetime.now(UTC)
    row.provider_agency = terms.provider_agency
    row.drafted_by = f"{operator.agency}:{operator.login}"
    return await _record(session, operator, row, "change", None)


async def _locked(session: AsyncSession, agreement_id: str) -> AgreementRow:
    row = await repository.find(session, agreement_id, lock=True)
    if row is None:
        raise AgreementNotFound
    return row


async def submit_agreement(session: AsyncSession, operator: Operator, *, agreement_id: str) -> Agreement:
    await agencies.require_role(session, operator, Role.OPERATOR)
    return await _step(session, operator, await _locked(session, agreement_id), "submit", None)


async def decide_agreement(
    session: AsyncSession, operator: Operator, *, agreement_id: str, approve: bool, reason: str | None
) -> Agreement:
    """Approve or reject; the decider is of the providing agency and did not draft."""
    await agencies.require_role(session, operator, Role.APPROVER)
    row = await _locked(session, agreement_id)
    me = f"{operator.agency}:{operator.login}"
    if operator.agency != row.provider_agency or me in await repository.drafters(session, agreement_id):
        raise FourEyes(f"An approver of {row.provider_agency} who did not draft it must decide.")
    valid_to = row.terms["valid_to"]
    if approve and valid_to is not None and valid_to < _today().isoformat():
        raise StepRefused("The agreement's last day has passed.")
    row.decided_by = me
    agreement = await _step(session, operator, row, "approve" if approve else "reject", reason)
    if approve and row.terms["valid_from"] <= _today().isoformat():
        return await _step(session, operator, row, "activate", None)
    return agreement


async def move_agreement(
    session: AsyncSession, operator: Operator, *, agreement_id: str, action: str, reason: str
) -> Agreement:
    """Suspend, resume or terminate: any operator of the bus suspends, so that it is quick."""
    await agencies.require_role(session, operator, Role.OPERATOR)
    return await _step(session, operator, await _locked(session, agreement_id), action, reason)


def _today() -> date:
    return datetime.now(UTC).astimezone(VIETNAM).date()


async def follow_calendar(runtime: Runtime) -> None:
    """Activate approved agreements on their first day, and end those past their last."""
    today = _today().isoformat()
    async with runtime.sessions() as session, session.begin():
        for row in await repository.in_states(session, [AgreementState.APPROVED.value], lock=True):
            if row.terms["valid_from"] <= today:
                await _step(session, _Clock(), row, "activate", None)
        for row in await repository.in_states(session, list(_ENFORCEABLE), lock=True):
            if row.terms["valid_to"] is not None and row.terms["valid_to"] < today:
                await _step(session, _Clock(), row, "expire", None)
    runtime.nudge()


async def enforceable(session: AsyncSession) -> list[Agreement]:
    """Return the agreements that Envoy must know: active and suspended ones."""
    return [document(row) for row in await repository.in_states(session, list(_ENFORCEABLE))]


async def list_of_agreements(
    session: AsyncSession, *, consumer: str | None = None, state: AgreementState | None = None
) -> AgreementList:
    rows = await repository.in_states(session, [state.value] if state else None, consumer)
    return AgreementList(items=[document(row) for row in rows])


async def agreement_named(session: AsyncSession, agreement_id: str) -> Agreement:
    row = await repository.find(session, agreement_id)
    if row is None:
        raise AgreementNotFound
    return document(row)


async def history_of(session: AsyncSession, agreement_id: str) -> AgreementHistory:
    rows = await repository.history(session, agreement_id)
    if not rows:
        raise AgreementNotFound
    items = [
        DecisionOut(
            version=r.version,
            action=r.action,
            state=r.state,
            decided_by=r.decided_by,
            reason=r.reason,
            decided_at=r.decided_at,
        )
        for r in rows
    ]
    return AgreementHistory(agreement_id=agreement_id, items=items)


def known_operations(runtime: Runtime) -> dict[str, Sequence[str]]:
    """Return the catalogue's operations with their field groups, as `app.py` put it in the runtime."""
    return cast("dict[str, Sequence[str]]", runtime.extras["operation_groups"])


def service_owners(runtime: Runtime) -> dict[str, str]:
    """Return the agency that provides each service."""
    if not isinstance(runtime.settings, Settings):
        raise TypeError("agreements need the gateway's settings")
    return runtime.settings.service_owners
