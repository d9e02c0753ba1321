"""A consent as the services that enforce it see it."""

from ndx_contracts.events import ConsentChanged
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.purposes import Purpose

from svc_identity.consents.models import GivenConsent


def consent_changed(consent: GivenConsent) -> ConsentChanged:
    return ConsentChanged(
        consent_id=consent.id,
        personal_id=consent.personal_id,
        agency=consent.agency,
        purpose=Purpose(consent.purpose),
        field_groups=tuple(FieldGroup(group) for group in consent.field_groups),
        given_at=consent.given_at,
        valid_until=consent.valid_until,
        withdrawn_at=consent.withdrawn_at,
    )
