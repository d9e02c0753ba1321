"""From a taxpayer to the event that announces it."""

from ndx_contracts.events import TaxpayerRegistered

from svc_tax_link.taxpayers.models import Taxpayer


def taxpayer_registered(taxpayer: Taxpayer) -> TaxpayerRegistered:
    return TaxpayerRegistered(taxpayer_id=taxpayer.id, personal_id=taxpayer.personal_id)
