"""Turns attachments into the events of topic `identity.account.v1`."""

from ndx_contracts.events import DependantAttached, DependantDetached

from svc_identity.dependants.models import Dependant, EndCause, MoveCause


def attached(dependant: Dependant) -> DependantAttached:
    return DependantAttached(
        account_id=dependant.account_id,
        guardian_personal_id=dependant.guardian_personal_id,
        dependant_personal_id=dependant.dependant_personal_id,
    )


def detached(dependant: Dependant, cause: EndCause | MoveCause) -> DependantDetached:
    return DependantDetached(
        account_id=dependant.account_id,
        dependant_personal_id=dependant.dependant_personal_id,
        cause=cause.value,
    )
