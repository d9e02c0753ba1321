"""From a taxpayer to the event that announces it."""

from ndx_contracts.events import TaxpayerRegistered, TaxpayerReopened

from svc_tax_link.taxpayers.models import Taxpayer


def taxpayer_registered(taxpayer: Taxpayer) -> TaxpayerRegistered:
    return TaxpayerRegistered(taxpayer_id=taxpayer.id, personal_id=taxpayer.personal_id)


def taxpayer_reopened(taxpayer: Taxpayer) -> TaxpayerReopened:
    """Announce a taxpayer as they are by now: who is matched with nobody has to come to the office."""
    return TaxpayerReopened(
        taxpayer_id=taxpayer.id,
        personal_id=taxpayer.personal_id,
        by_office=taxpayer.fetched_at is None,
    )
