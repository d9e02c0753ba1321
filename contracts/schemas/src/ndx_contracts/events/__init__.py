"""Change events: what happened, to which entity, which version; never more personal data than ids."""

from ndx_contracts.events.civil_registry import BirthRegistered, DeathRegistered
from ndx_contracts.events.consents import ConsentChanged
from ndx_contracts.events.envelope import EventData
from ndx_contracts.events.gateway import (
    AgencyChanged,
    AgreementChanged,
    CertificateExpiring,
    QuotaReached,
    RevocationListEnding,
    SigningKeyChanged,
)
from ndx_contracts.events.identity import (
    AccountActivated,
    AccountLocked,
    AccountUnlocked,
    ActivationCodeIssued,
    DependantAttached,
    DependantDetached,
)
from ndx_contracts.events.insurance import EntitlementEnded, EntitlementOpened
from ndx_contracts.events.population import (
    HouseholdChanged,
    MatchJobEnded,
    PersonalIdCancelled,
    PersonalIdPrefixFilling,
    PersonChanged,
    PersonDeceased,
    PersonRegistered,
    PersonsMerged,
    PersonsSeparated,
    ReconciliationCaseChanged,
    ResidenceChanged,
)
from ndx_contracts.events.tax import DependantCountedTwice, DependantRegistered, TaxpayerRegistered

EVENTS: tuple[type[EventData], ...] = (
    BirthRegistered,
    DeathRegistered,
    PersonRegistered,
    PersonChanged,
    PersonDeceased,
    PersonsMerged,
    PersonsSeparated,
    PersonalIdCancelled,
    PersonalIdPrefixFilling,
    ResidenceChanged,
    HouseholdChanged,
    ReconciliationCaseChanged,
    MatchJobEnded,
    AccountActivated,
    AccountLocked,
    AccountUnlocked,
    ActivationCodeIssued,
    DependantAttached,
    DependantDetached,
    ConsentChanged,
    EntitlementOpened,
    EntitlementEnded,
    DependantCountedTwice,
    DependantRegistered,
    TaxpayerRegistered,
    AgencyChanged,
    AgreementChanged,
    CertificateExpiring,
    QuotaReached,
    RevocationListEnding,
    SigningKeyChanged,
)

BY_TYPE: dict[str, type[EventData]] = {event.TYPE: event for event in EVENTS}

__all__ = [
    "BY_TYPE",
    "EVENTS",
    "AccountActivated",
    "AccountLocked",
    "AccountUnlocked",
    "ActivationCodeIssued",
    "AgencyChanged",
    "AgreementChanged",
    "BirthRegistered",
    "CertificateExpiring",
    "ConsentChanged",
    "DeathRegistered",
    "DependantAttached",
    "DependantCountedTwice",
    "DependantDetached",
    "DependantRegistered",
    "EntitlementEnded",
    "EntitlementOpened",
    "EventData",
    "HouseholdChanged",
    "MatchJobEnded",
    "PersonChanged",
    "PersonDeceased",
    "PersonRegistered",
    "PersonalIdCancelled",
    "PersonalIdPrefixFilling",
    "PersonsMerged",
    "PersonsSeparated",
    "QuotaReached",
    "ReconciliationCaseChanged",
    "ResidenceChanged",
    "RevocationListEnding",
    "SigningKeyChanged",
    "TaxpayerRegistered",
]
