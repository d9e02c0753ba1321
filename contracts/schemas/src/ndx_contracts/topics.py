"""The declared list of Kafka topics: created from here, never by accident."""

from dataclasses import dataclass

DAY_MS = 86_400_000
SERVICES: tuple[str, ...] = (
    "population",
    "civil-registry",
    "insurance",
    "tax",
    "identity",
    "auth",
    "gateway",
)
DISCLOSING_SERVICES: tuple[str, ...] = (
    "population",
    "civil-registry",
    "insurance",
    "tax",
    "identity",
    "gateway",
)


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic with its partitions, retention (None = kept by compaction) and cleanup policy."""

    name: str
    partitions: int = 6
    retention_ms: int | None = 30 * DAY_MS
    compacted: bool = False


def disclosure_topic(service: str) -> str:
    return f"{service}.disclosure.v1"


def dead_letter_topic(service: str) -> str:
    return f"{service}.dead-letter.v1"


TOPICS: tuple[Topic, ...] = (
    Topic("civil-registry.birth.v1"),
    Topic("civil-registry.death.v1"),
    Topic("population.person.v1"),
    Topic("population.personal-id.v1"),
    Topic("population.reconciliation.v1"),
    Topic("population.match-job.v1"),
    Topic("identity.account.v1"),
    Topic("identity.consent.v1", retention_ms=None, compacted=True),
    Topic("insurance.entitlement.v1"),
    Topic("tax.taxpayer.v1"),
    Topic("tax.dependant.v1"),
    Topic("gateway.agency.v1", partitions=1, retention_ms=None, compacted=True),
    Topic("gateway.agreement.v1", partitions=1, retention_ms=None, compacted=True),
    Topic("gateway.certificate.v1", partitions=1),
    Topic("gateway.quota.v1", partitions=1),
    Topic("gateway.signing-key.v1", partitions=1, retention_ms=None, compacted=True),
    *(Topic(disclosure_topic(s), partitions=3, retention_ms=90 * DAY_MS) for s in DISCLOSING_SERVICES),
    *(Topic(dead_letter_topic(s), partitions=1, retention_ms=90 * DAY_MS) for s in SERVICES),
)
