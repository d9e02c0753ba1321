"""What operators see of the configuration and of those who take it."""

from datetime import datetime

from ndx_contracts.bodies import Output


class RefusalOut(Output):
    """A version that an Envoy did not take; it goes on with the last good one."""

    type: str
    reason: str
    refused_at: datetime


class EnvoyOut(Output):
    node: str
    connected_at: datetime
    up_to_date_since: datetime | None
    """When it had answered to everything published; null while it has not."""
    disconnected_at: datetime | None = None
    """Since when it has been away without having said that it will end; forgotten after a day."""
    refused: list[RefusalOut]


class ConfigurationOut(Output):
    """The state of the data plane; `in_order` when every Envoy has taken the current configuration.

    An Envoy that went without a word counts among them for ten minutes, unless set otherwise.
    """

    in_order: bool
    published_at: datetime | None
    envoys: list[EnvoyOut]
