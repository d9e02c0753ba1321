"""Events of the gateway's control plane."""

from typing import ClassVar

from pydantic import ConfigDict

from ndx_contracts.agreements import Agreement
from ndx_contracts.events.envelope import EventData


class AgreementChanged(EventData, Agreement):
    """The whole current document of an agreement, on a compacted topic."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    TYPE: ClassVar[str] = "gateway.agreement-changed.v1"
    TOPIC: ClassVar[str] = "gateway.agreement.v1"
    ENTITY: ClassVar[str] = "agreement"

    @property
    def key(self) -> str:
        return self.agreement_id
