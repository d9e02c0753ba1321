"""Use cases: explain to an agency, or to an operator about one, what would become of a call."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from ndx_chassis.agreements import VIETNAM, Grant, check
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.errors import DomainError
from ndx_contracts.agreements import Agreement
from ndx_contracts.problems import problem_type
from ndx_contracts.refusals import BY_CODE
from sqlalchemy.ext.asyncio import AsyncSession

from gateway.agencies import service as agencies
from gateway.agencies.service import AgencyEntry, OperatorEntry
from gateway.agreements import reading as agreements
from gateway.catalogue import service as catalogue
from gateway.catalogue.operations import Operation
from gateway.decisions.rules import Call, Decision, decide
from gateway.decisions.schemas import ExplanationIn, ExplanationOut, QuotaOut, RefusalOut

_TOLD_ENDED = timedelta(days=365)
_ANY_MEMBER = "x"


@dataclass(frozen=True, slots=True)
class _Part:
    """The part of the world that is about one agency."""

    agencies: Sequence[AgencyEntry]
    agreements: Sequence[Agreement]
    operations: Sequence[Operation]
    today: date
    operators: Sequence[OperatorEntry] = ()
    revoked: dict[str, list[str]] = field(default_factory=dict)


async def explain(
    session: AsyncSession, runtime: Runtime, *, agency: str, system: str, wanted: ExplanationIn
) -> ExplanationOut:
    """Say what the gateway and then the service would do, without calling.

    Raises:
        AgencyNotFound: the agency is not registered.
    """
    now = datetime.now(UTC)
    today = now.astimezone(VIETNAM).date()
    world = _Part(
        agencies=await agencies.registry(session, agency),
        agreements=await agreements.enforced_on(session, agency, today - _TOLD_ENDED),
        operations=catalogue.all_operations(runtime),
        today=today,
    )
    call = _call(world.operations, agency, system, wanted)
    decision = decide(world, call) if call is not None else Decision("operation-unknown")
    detail = None
    if decision.refusal is None and decision.agreement is not None and decision.operation is not None:
        refused = _by_service(decision.agreement, decision.operation, agency, system, wanted, now)
        if refused is not None:
            decision = Decision(refused.code, decision.operation, decision.agreement)
            detail = refused.detail
    return _out(decision, detail, wanted, now)


def _call(operations: Sequence[Operation], agency: str, system: str, wanted: ExplanationIn) -> Call | None:
    method, path = wanted.method, wanted.path
    if wanted.operation is not None:
        named = next((o for o in operations if o.name == wanted.operation), None)
        if named is None:
            return None
        parts = [_ANY_MEMBER if p.startswith("{") else p for p in named.path.split("/")]
        method, path = named.method, "/".join(parts)
    said = ((v,) if v is not None else () for v in (wanted.purpose, wanted.officer, wanted.case_id))
    purpose, officer, case = said
    return Call(
        san=f"urn:ndx:agency:{agency}:{system}",
        method=method or "",
        path=(path or "").partition("?")[0],
        purpose=purpose,
        officer=officer,
        case=case,
    )


def _by_service(  # noqa: PLR0917 - each is a part of the question
    agreement: Agreement, operation: Operation, agency: str, system: str, wanted: ExplanationIn, now: datetime
) -> DomainError | None:
    """Ask the rules that every service runs after the gateway has let a call through."""
    caller = Caller(
        agency=agency,
        system=system,
        agreement=agreement.agreement_id,
        purpose=wanted.purpose or "",
        case_id=wanted.case_id,
        officer=wanted.officer,
        request_id="-",
        operation=operation.name,
        agency_class=agreement.consumer_class or "",
        signed=True,  # said below as what only the call will show
    )
    granted = agreement.grant(operation.name)
    grant = Grant(agreement, operation.name, frozenset(granted.field_groups if granted else ()))
    try:
        check(agreement, caller, purpose_needed=operation.personal_data, now=wanted.at or now)
        grant.require_field_groups(wanted.field_groups)
        if wanted.province_code or wanted.commune_code:
            grant.require_scope(wanted.province_code, wanted.commune_code)
    except DomainError as refused:
        return refused
    return None


def _out(decision: Decision, detail: str | None, wanted: ExplanationIn, now: datetime) -> ExplanationOut:
    agreement, operation = decision.agreement, decision.operation
    granted = agreement.grant(operation.name) if agreement is not None and operation is not None else None
    unknown = []
    if decision.refusal is None and agreement is not None:
        scope = agreement.admin_scope
        if agreement.conditions.consent_required:
            unknown.append("consent")
        if agreement.conditions.signature_required:
            unknown.append("signature")
        if (scope.provinces or scope.communes) and not (wanted.province_code or wanted.commune_code):
            unknown.append("admin_scope")
    return ExplanationOut(
        allowed=decision.refusal is None,
        refusal=None if decision.refusal is None else _refusal(decision.refusal, detail),
        operation=operation.name if operation is not None else None,
        agreement=agreement.agreement_id if agreement is not None else None,
        agreement_version=agreement.version if agreement is not None else None,
        field_groups=list(granted.field_groups) if granted is not None else [],
        quota=_quota(agreement) if agreement is not None else None,
        still_to_be_checked=unknown,
        decided_at=now,
    )


def _refusal(code: str, detail: str | None) -> RefusalOut:
    listed = BY_CODE[code]
    return RefusalOut(
        code=code,
        status=listed.status,
        title=listed.title,
        title_vi=listed.title_vi,
        detail=detail or listed.detail,
        remedy=listed.remedy,
        who_can_help=listed.helper.value,
        refused_by=listed.layer,
        page=problem_type(code),
    )


def _quota(agreement: Agreement) -> QuotaOut:
    return QuotaOut(**agreement.quotas.model_dump(), left_today=None)
