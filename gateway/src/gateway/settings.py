"""Settings of the control plane and of the Envoy that it configures."""

from datetime import timedelta
from pathlib import Path
from typing import ClassVar

from ndx_chassis.settings import ServiceSettings, settings_for
from pydantic import Field

from gateway.quotas.periods import Calendar

SERVICE_OWNERS = {
    "population": "G01",
    "identity": "G01",
    "auth": "G01",
    "civil-registry": "G02",
    "insurance": "G03",
    "tax": "G04",
    "gateway": "NDX",
}


class Settings(ServiceSettings):
    """Read from `GATEWAY_…`."""

    model_config = settings_for("GATEWAY")
    service: ClassVar[str] = "gateway"

    public_name: str = "NDXP"
    """The bus's name towards its users (NDXP, NDOP, …)."""
    public_hosts: tuple[str, ...] = ()
    """Names under which callers and services reach the doors; they come into the doors' certificate."""
    state_dir: Path = Path(".local/gateway")
    listener_port: int = 8443
    citizen_port: int = 8444
    listener_address: str = "127.0.0.1"
    admin_port: int = 9901
    node: str = "envoy-1"
    """By which operators tell the Envoys of one control plane apart."""
    door_ports: tuple[int, int] | None = None
    """For an Envoy's bootstrap: its two doors' ports where they are others than the control plane names."""
    envoys: str = ""
    """`host:port` of every Envoy, parted by commas, or a name that leads to all: each lets in its share of
    the rates per second. Empty: each lets in the whole rate."""
    health_port: int | None = None
    """Where this Envoy tells load balancers whether to send calls here (`GET /ready`); none without it."""
    health_address: str = "127.0.0.1"
    envoy_drain_seconds: float = Field(default=10.0, ge=0, le=300)
    """How long an Envoy that is told to leave goes on taking calls, so that load balancers notice."""
    envoy_finish_seconds: float = Field(default=20.0, ge=0, le=300)
    """How long it may then take for calls under way."""
    envoy_missed_seconds: float = Field(default=600.0, ge=0)
    """How long an Envoy that went without a word keeps the configuration from being in order."""
    xds_port: int = 18000
    xds_address: str = "127.0.0.1"
    standby_port: int | None = None
    """Where, on this machine, Envoy finds the standby while the control plane is away; none without it."""
    configuration_file: Path | None = None
    """Where the standby keeps the last configuration; else `configuration.kept` in the state folder."""
    upstreams: dict[str, str] = Field(default_factory=dict)
    """Service short name → host:port of each copy, parted by commas."""
    zipkin_address: str = ""
    otlp_address: str = ""
    trace_sampling: float = 100.0
    access_log: Path = Path("/dev/stdout")
    ship_access_log: bool = False
    """Whether the standby sends the log of the Envoy beside it to the control plane, which cannot read it."""
    openapi_dir: Path = Path("contracts/openapi")
    ledger_pseudonym_key_file: Path | None = None
    ledger_signing_key_file: Path | None = None
    ca_passphrase_file: Path | None = None
    """Passphrase of the authorities' keys; without one they lie unencrypted, for the owner alone."""
    internal_ca_settle_seconds: float = Field(default=600.0, ge=0)
    """How long a new internal authority is trusted by all parts before it signs, and signs before the old one
    may go: longer than the files take to reach every machine, with some seconds to look at them."""
    revocation_fetch_seconds: float = Field(default=3600.0, ge=10)
    """How often the lists of outside authorities are fetched that name a place for it."""
    revocation_fetch_limit_seconds: float = Field(default=30.0, gt=0, le=300)
    revocation_fetch_most_bytes: int = Field(default=5_000_000, ge=1)
    """Limits of one fetching."""
    revocation_fetch_networks: tuple[str, ...] = ()
    """Networks beside the open internet that lists may lie in (CIDR): inner ones are refused else."""
    certificate_days: int = 365
    certificate_overlap_days: int = 30
    """How long a renewed certificate goes on working beside its successor, if it does not end before."""
    quota_utc_offset_hours: float = 7.0
    """Whose midnight it is at which quotas by day and month begin anew: Vietnam's."""
    quota_months_kept: int = 13
    calls_days_kept: int = 30
    call_hours_days_kept: int = 400
    """How long it is kept who called what, each call and their sums by the hour."""
    service_owners: dict[str, str] = Field(default_factory=lambda: dict(SERVICE_OWNERS))
    """Service short name → code of the agency that owns its data and alone may approve agreements on it."""
    feeds_key_file: Path | None = None
    """Secret by which feeds hash people and seal contents; else `keys/feeds.key` in the state folder."""
    signing_key_file: Path | None = None
    """Ed25519 key by which the exchange signs; else `keys/exchange-signing.pem` in the state folder."""
    signing_keys_in_force: int = Field(default=10, ge=2)
    signing_keys_a_day: int = Field(default=20, ge=2)
    """How many keys of one system may be in force at once, or be new within a day: all are kept for ever."""
    webhook_ca_file: Path | None = None
    """Authorities of webhooks that name none of their own; without it, the exchange's own."""
    webhook_networks: tuple[str, ...] = ()
    """Networks beside the open internet that webhooks may lie in (CIDR): inner ones are refused otherwise."""
    webhook_seconds: float = 10.0
    """How long one call of a webhook may take, from looking up its name to the end of the answer."""
    feeds_undelivered_days: int = 30
    feeds_delivered_days: int = 7
    """How long the content of an event is kept that was not fetched or was given up, and of one that was."""
    feeds_rows_days: int = 90
    """How long it is kept what became of an event, without its content, and each attempt."""
    feeds_most_subscriptions: int = 50
    feeds_most_people: int = 1_000_000
    """Limits of one agency and of one subscription."""

    @property
    def quota_calendar(self) -> Calendar:
        return Calendar(timedelta(hours=self.quota_utc_offset_hours))
