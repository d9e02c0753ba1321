"""From a case to the event that tells both sides of it."""

from ndx_contracts.events import ReconciliationCaseChanged

from svc_population.reconciliation.models import ReconciliationCase
from svc_population.reconciliation.routing import routed
from svc_population.reconciliation.vocabulary import GROUP_OF, DisputedField


def case_changed(case: ReconciliationCase) -> ReconciliationCaseChanged:
    groups = {GROUP_OF[DisputedField(d["field"])].value for d in case.disputed} or {"personal_id"}
    return ReconciliationCaseChanged(
        case_id=case.id,
        personal_id=case.personal_id,
        version=case.version,
        kind=case.kind,
        state=case.state,
        agency=case.agency,
        disputed=tuple(sorted(groups)),
        **routed(case)[0]._asdict(),
    )
