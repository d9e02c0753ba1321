"""Use case of mergePerson: the first officer's half of a merger, never the second."""

from datetime import UTC, datetime
from typing import Any

from ndx_chassis.agreements import VIETNAM, Grant
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.changes.schemas import DocumentIn
from svc_population.mergers import service as mergers
from svc_population.mergers.schemas import MergeIn, MergerOut
from svc_population.mergers.vocabulary import MergerKind, MergerState
from svc_population.osia.errors import OsiaRefused, body
from svc_population.osia.vocabulary import OsiaCode
from svc_population.persons import service as persons

DOCUMENT_KIND = "OSIA_TRANSACTION"


async def merge(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    transaction: str,
    target: str,
    source: str,
) -> dict[str, Any] | None:
    """Propose that two records are one, or say how that stands; None = they are merged.

    A body says that another officer has to decide, or that one rejected it in this dossier; it is kept.

    Raises:
        OsiaRefused: the two numbers are one.
        OfficerMissing, CaseMissing, PersonNotFound, PersonAlreadyMerged, MergerContradicted: as `propose`.
    """
    if target == source:
        raise OsiaRefused(OsiaCode.VALUE_INVALID, "A record is no duplicate of itself")
    groups = [FieldGroup.PERSONAL_ID]
    # In one order, as everywhere: the rows stay locked, so that of two calls at once one proposes.
    found = {
        number: await persons.within(
            session, runtime, caller=caller, grant=grant, personal_id=number, field_groups=groups
        )
        for number in sorted((target, source))
    }
    known: MergerOut | None = None
    if found[source].personal_id != target:
        known = await mergers.latest_merge(session, survivor=target, duplicate=source)
        rejected = known is not None and known.state is MergerState.REJECTED
        settled = rejected and known is not None and known.case_id == caller.case_id
        if known is None or not (settled or known.state is MergerState.PROPOSED):
            today = datetime.now(UTC).astimezone(VIETNAM).date()
            document = DocumentIn(
                kind=DOCUMENT_KIND, number=transaction, issued_by=caller.agency, issued_on=today
            )
            wanted = MergeIn(kind=MergerKind.MERGE, survivor=target, duplicate=source, document=document)
            known = await mergers.propose(
                session, runtime, caller=caller, grant=grant, body=wanted, idempotency_key=None
            )
            return _waits(known)
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=[target, source],
        field_groups=groups,
        outcome=Outcome.DISCLOSED,
    )
    if known is None:
        await record_audit(
            session,
            caller,
            action="merger_confirmed",
            entity_type=mergers.ENTITY,
            entity_id=found[target].person_id,
            details={"transaction": transaction},
        )
        return None
    if known.state is MergerState.REJECTED:
        return body(OsiaCode.PROPOSAL_REJECTED, f"Merger {known.id} was rejected in this dossier")
    return _waits(known)


def _waits(known: MergerOut) -> dict[str, Any]:
    return body(
        OsiaCode.SECOND_OFFICER_DECIDES,
        f"Proposed: another officer decides on POST /population/v1/person-mergers/{known.id}/decision",
    )
