"""Turns entitlements into the events that other domains hear."""

from ndx_contracts.events import EntitlementEnded, EntitlementOpened

from svc_insurance_link.entitlements.models import Entitlement


def opened(entitlement: Entitlement, personal_id: str) -> EntitlementOpened:
    return EntitlementOpened(
        entitlement_id=entitlement.id,
        personal_id=personal_id,
        kind=entitlement.kind,
        valid_from=entitlement.valid_from,
        valid_to=entitlement.valid_to,
    )


def ended(entitlement: Entitlement, personal_id: str) -> EntitlementEnded:
    if entitlement.ended_on is None or entitlement.end_cause is None:
        raise ValueError("the entitlement has not ended")
    return EntitlementEnded(
        entitlement_id=entitlement.id,
        personal_id=personal_id,
        ended_on=entitlement.ended_on,
        cause=entitlement.end_cause,
    )
