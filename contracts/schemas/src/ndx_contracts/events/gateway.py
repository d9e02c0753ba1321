"""Events of the gateway's control plane."""

from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import ConfigDict

from ndx_contracts.agreements import AgencyClass, Agreement
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


class AgencyChanged(EventData):
    """An agency in words, on a compacted topic: a template names a class, and people ask who it was."""

    TYPE: ClassVar[str] = "gateway.agency-changed.v1"
    TOPIC: ClassVar[str] = "gateway.agency.v1"
    ENTITY: ClassVar[str] = "agency"

    code: str
    name: str
    name_en: str
    agency_class: AgencyClass
    state: str

    @property
    def key(self) -> str:
        return self.code


class CertificateExpiring(EventData):
    """A certificate ends soon and has not been renewed: said 30, 14, 7 and 1 days ahead, each once."""

    TYPE: ClassVar[str] = "gateway.certificate-expiring.v1"
    TOPIC: ClassVar[str] = "gateway.certificate.v1"
    ENTITY: ClassVar[str] = "certificate"

    serial: str
    agency: str
    system: str
    not_after: datetime
    days_left: int

    @property
    def key(self) -> str:
        return self.serial


class RevocationListEnding(EventData):
    """A revocation list in force was not made anew in time; at its end every new handshake would fail."""

    TYPE: ClassVar[str] = "gateway.revocation-list-ending.v1"
    TOPIC: ClassVar[str] = "gateway.certificate.v1"
    ENTITY: ClassVar[str] = "revocation-list"

    authority: str
    number: int
    next_update: datetime

    @property
    def key(self) -> str:
        return self.authority


class QuotaReached(EventData):
    """An agency has used 80 or all percent of a quota by day or month: said once per period and threshold.

    `agreement_id` is `*` when it is the quota of the whole agency, over all its agreements.
    """

    TYPE: ClassVar[str] = "gateway.quota-reached.v1"
    TOPIC: ClassVar[str] = "gateway.quota.v1"
    ENTITY: ClassVar[str] = "quota"

    agency: str
    agreement_id: str
    period: Literal["DAY", "MONTH"]
    starts_on: date
    limit: int
    used: int
    percent: int
    resets_at: datetime

    @property
    def key(self) -> str:
        return f"{self.agency}:{self.agreement_id}"


class SigningKeyChanged(EventData):
    """A system's public key for signing was published or revoked; the whole of it, on a compacted topic."""

    TYPE: ClassVar[str] = "gateway.signing-key-changed.v1"
    TOPIC: ClassVar[str] = "gateway.signing-key.v1"
    ENTITY: ClassVar[str] = "signing-key"

    key_id: str
    agency: str
    system: str
    x: str
    """The public Ed25519 key as in its JSON Web Key."""
    published_at: datetime
    revoked_at: datetime | None = None

    @property
    def key(self) -> str:
        return self.key_id
