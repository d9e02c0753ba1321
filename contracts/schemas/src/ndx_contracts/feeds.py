"""What agencies may follow: event types, and the field group that each member of their data belongs to.

What is not in this table never leaves through a feed. An event is given only if the agreement holds the group
that the mere event discloses (`says`); a member is given only if the agreement holds the member's group.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from ndx_contracts.events import (
    AccountActivated,
    BirthRegistered,
    DeathCancelled,
    DeathRegistered,
    DependantCountedTwice,
    DependantRegistered,
    EntitlementEnded,
    EntitlementOpened,
    EventData,
    HouseholdChanged,
    MatchJobEnded,
    PersonalIdCancelled,
    PersonChanged,
    PersonDeathCancelled,
    PersonDeceased,
    PersonRegistered,
    PersonsMerged,
    PersonsSeparated,
    ReconciliationCaseChanged,
    ResidenceChanged,
    TaxpayerRegistered,
    TaxpayerReopened,
)
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup

G = FieldGroup


class People(StrEnum):
    """Whose events a subscription gets."""

    OF_INTEREST = "OF_INTEREST"
    """Only people in whom the agency has registered interest."""
    EVERYBODY = "EVERYBODY"
    """All people within the administrative scope; an agreement has to grant this by itself."""


@dataclass(frozen=True, slots=True)
class FedEvent:
    """One event type as agencies may follow it."""

    event: type[EventData]
    people: tuple[str, ...]
    """Members that hold personal IDs; the event is about the first."""
    members: Mapping[str, FieldGroup]
    says: FieldGroup | None = None
    """What somebody learns who only hears that it happened; None: only what the member `names` says."""
    names: str | None = None
    """A member that lists names of field groups; only those of the agreement are given, at least one."""
    place: tuple[str, str] | None = None
    """Members with province and commune of the person; without them, no limited scope covers the event."""
    addressee: str | None = None
    """The member with the agency that alone hears of it; such an event is about nobody: no `people`."""
    title: tuple[str, str] = field(default=("", ""))
    """In Vietnamese and English."""

    @property
    def type(self) -> str:
        return self.event.TYPE

    @property
    def provider(self) -> str:
        """Return the short name of the service whose data it is."""
        return self.type.partition(".")[0]

    @property
    def groups(self) -> frozenset[FieldGroup]:
        """Return every field group that it can disclose."""
        named = POPULATION_GROUPS if self.names else frozenset()
        says = frozenset() if self.says is None else frozenset({self.says})
        return frozenset(self.members.values()) | named | says

    def operation(self, people: People) -> str:
        """Return what an agreement must grant: `population.follow_person_deceased`, or `…follow_every_…`."""
        name = self.type.removeprefix(f"{self.provider}.").rpartition(".")[0].replace("-", "_")
        every = "every_" if people is People.EVERYBODY else ""
        return f"{self.provider}.follow_{every}{name}"


FED: tuple[FedEvent, ...] = (
    FedEvent(
        PersonRegistered,
        people=("personal_id", "mother_personal_id", "father_personal_id"),
        says=G.PERSONAL_ID,
        members={
            "personal_id": G.PERSONAL_ID,
            "birth_date": G.BIRTH_DATE,
            "mother_personal_id": G.FAMILY_RELATIONS,
            "father_personal_id": G.FAMILY_RELATIONS,
            "province_code": G.BIRTH_REGISTRATION_PLACE,
            "commune_code": G.BIRTH_REGISTRATION_PLACE,
        },
        place=("province_code", "commune_code"),
        title=("Đã cấp số định danh cá nhân", "A person got a personal number"),
    ),
    FedEvent(
        PersonChanged,
        people=("personal_id",),
        members={
            "personal_id": G.PERSONAL_ID,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        names="changed",
        place=("province_code", "commune_code"),
        title=("Thông tin cá nhân thay đổi", "A person's data changed"),
    ),
    FedEvent(
        PersonDeceased,
        people=("personal_id",),
        says=G.DEATH_OR_MISSING_DATE,
        members={
            "personal_id": G.PERSONAL_ID,
            "died_on": G.DEATH_OR_MISSING_DATE,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        place=("province_code", "commune_code"),
        title=("Công dân đã chết", "A person died"),
    ),
    FedEvent(
        PersonDeathCancelled,
        people=("personal_id",),
        says=G.DEATH_OR_MISSING_DATE,
        members={
            "personal_id": G.PERSONAL_ID,
            "died_on": G.DEATH_OR_MISSING_DATE,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        place=("province_code", "commune_code"),
        title=("Việc ghi nhận công dân đã chết bị hủy bỏ", "A person's recorded death was taken back"),
    ),
    FedEvent(
        ResidenceChanged,
        people=("personal_id",),
        members={
            "personal_id": G.PERSONAL_ID,
            "former_province_code": G.PERMANENT_RESIDENCE,
            "former_commune_code": G.PERMANENT_RESIDENCE,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        names="changed",
        place=("province_code", "commune_code"),
        title=("Thông tin cư trú thay đổi", "A person's residence changed"),
    ),
    FedEvent(
        PersonsMerged,
        people=("personal_id", "merged_personal_id"),
        says=G.PERSONAL_ID,
        members={
            "personal_id": G.PERSONAL_ID,
            "merged_personal_id": G.PERSONAL_ID,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        place=("province_code", "commune_code"),
        title=("Hai hồ sơ của một người được hợp nhất", "Two records of one person were merged"),
    ),
    FedEvent(
        PersonsSeparated,
        people=("personal_id", "separated_personal_id"),
        says=G.PERSONAL_ID,
        members={
            "personal_id": G.PERSONAL_ID,
            "separated_personal_id": G.PERSONAL_ID,
            "undone": G.PERSONAL_ID,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        place=("province_code", "commune_code"),
        title=("Một hồ sơ được tách thành hai người", "One record was separated into two persons"),
    ),
    FedEvent(
        ReconciliationCaseChanged,
        people=("personal_id",),
        members={
            "personal_id": G.PERSONAL_ID,
            "case_id": G.PERSONAL_ID,
            "kind": G.PERSONAL_ID,
            "state": G.PERSONAL_ID,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        names="disputed",
        place=("province_code", "commune_code"),
        title=("Trường hợp đối soát dữ liệu thay đổi", "A reconciliation case changed"),
    ),
    FedEvent(
        MatchJobEnded,
        people=(),
        members=dict.fromkeys(
            ("job_id", "state", "fault", "lines", "result_parts", "cases_opened", "cases_known"),
            G.PERSONAL_ID,
        ),
        addressee="agency",
        title=("Tác vụ đối khớp theo tệp đã kết thúc", "A match job of the agency's ended"),
    ),
    FedEvent(
        HouseholdChanged,
        people=("personal_id",),
        members={
            "personal_id": G.PERSONAL_ID,
            "province_code": G.PERMANENT_RESIDENCE,
            "commune_code": G.PERMANENT_RESIDENCE,
        },
        names="changed",
        place=("province_code", "commune_code"),
        title=("Hộ gia đình thay đổi", "A person's household changed"),
    ),
    FedEvent(
        PersonalIdCancelled,
        people=("old_personal_id", "superseded_by"),
        says=G.PERSONAL_ID,
        members={"old_personal_id": G.PERSONAL_ID, "superseded_by": G.PERSONAL_ID},
        title=("Số định danh cá nhân bị hủy", "A personal number was cancelled"),
    ),
    FedEvent(
        BirthRegistered,
        people=("personal_id", "mother_personal_id", "father_personal_id"),
        says=G.CIVIL_STATUS_RECORD,
        members={
            "personal_id": G.PERSONAL_ID,
            "mother_personal_id": G.FAMILY_RELATIONS,
            "father_personal_id": G.FAMILY_RELATIONS,
            "registered_at": G.CIVIL_STATUS_RECORD,
            "office": G.BIRTH_REGISTRATION_PLACE,
        },
        title=("Đã đăng ký khai sinh", "A birth was registered"),
    ),
    FedEvent(
        DeathRegistered,
        people=("personal_id",),
        says=G.CIVIL_STATUS_RECORD,
        members={
            "personal_id": G.PERSONAL_ID,
            "died_on": G.DEATH_OR_MISSING_DATE,
            "registered_at": G.CIVIL_STATUS_RECORD,
            "office": G.CIVIL_STATUS_RECORD,
        },
        title=("Đã đăng ký khai tử", "A death was registered"),
    ),
    FedEvent(
        DeathCancelled,
        people=("personal_id",),
        says=G.CIVIL_STATUS_RECORD,
        members={
            "personal_id": G.PERSONAL_ID,
            "died_on": G.DEATH_OR_MISSING_DATE,
            "cause": G.CIVIL_STATUS_RECORD,
            "found_alive": G.DEATH_OR_MISSING_DATE,
            "cancelled_at": G.CIVIL_STATUS_RECORD,
            "office": G.CIVIL_STATUS_RECORD,
        },
        title=("Đăng ký khai tử bị hủy bỏ", "A registered death was cancelled"),
    ),
    FedEvent(
        EntitlementOpened,
        people=("personal_id",),
        says=G.INSURANCE_ENTITLEMENT,
        members={
            "personal_id": G.PERSONAL_ID,
            "kind": G.INSURANCE_ENTITLEMENT,
            "valid_from": G.INSURANCE_ENTITLEMENT,
            "valid_to": G.INSURANCE_ENTITLEMENT,
        },
        title=("Bắt đầu quyền lợi bảo hiểm", "An insurance entitlement began"),
    ),
    FedEvent(
        EntitlementEnded,
        people=("personal_id",),
        says=G.INSURANCE_ENTITLEMENT,
        members={
            "personal_id": G.PERSONAL_ID,
            "ended_on": G.INSURANCE_ENTITLEMENT,
            "cause": G.INSURANCE_ENTITLEMENT,
        },
        title=("Kết thúc quyền lợi bảo hiểm", "An insurance entitlement ended"),
    ),
    FedEvent(
        TaxpayerRegistered,
        people=("personal_id",),
        says=G.TAX_REGISTRATION,
        members={"personal_id": G.PERSONAL_ID},
        title=("Đã đăng ký người nộp thuế", "A taxpayer was registered"),
    ),
    FedEvent(
        TaxpayerReopened,
        people=("personal_id",),
        says=G.TAX_REGISTRATION,
        members={"personal_id": G.PERSONAL_ID, "by_office": G.TAX_REGISTRATION},
        title=("Mã số thuế được khôi phục", "A tax number is open again"),
    ),
    FedEvent(
        DependantRegistered,
        people=("dependant_personal_id", "taxpayer_personal_id"),
        says=G.TAX_REGISTRATION,
        members={
            "dependant_personal_id": G.PERSONAL_ID,
            "taxpayer_personal_id": G.FAMILY_RELATIONS,
            "from_month": G.TAX_REGISTRATION,
        },
        title=("Đã đăng ký người phụ thuộc", "A tax dependant was registered"),
    ),
    FedEvent(
        DependantCountedTwice,
        people=("dependant_personal_id",),
        says=G.TAX_REGISTRATION,
        members={
            "dependant_personal_id": G.PERSONAL_ID,
            "from_month": G.TAX_REGISTRATION,
            "to_month": G.TAX_REGISTRATION,
            "undone": G.TAX_REGISTRATION,
            "settled": G.TAX_REGISTRATION,
        },
        title=("Người phụ thuộc được tính hai lần", "A tax dependant is counted twice"),
    ),
    FedEvent(
        AccountActivated,
        people=("personal_id",),
        says=G.EID_ACCOUNT,
        members={"personal_id": G.PERSONAL_ID, "level": G.EID_ACCOUNT},
        title=("Tài khoản định danh được kích hoạt", "An e-ID account was activated"),
    ),
)

BY_TYPE: Mapping[str, FedEvent] = {fed.type: fed for fed in FED}

OPERATIONS: Mapping[str, tuple[FedEvent, People]] = {
    fed.operation(people): (fed, people) for fed in FED for people in People
}
"""What agreements may grant of feeds, by operation name."""

NOT_FED: Mapping[str, str] = {
    "population.personal-id-prefix-filling.v1": "the database's own alarm",
    "identity.consent-changed.v1": "a holder's own affair: ndx explain and the call itself tell of it",
    "identity.account-locked.v1": "names an account, not a person; the log-in alone acts on it",
    "identity.account-unlocked.v1": "names an account, not a person; the log-in alone acts on it",
    "identity.activation-code-issued.v1": "carries the hash of a secret",
    "identity.dependant-attached.v1": "the e-ID's own bookkeeping of whom an account acts for",
    "identity.dependant-detached.v1": "the e-ID's own bookkeeping of whom an account acts for",
    "gateway.agency-changed.v1": "what services must know of agencies; nobody's data",
    "gateway.agreement-changed.v1": "parties read their agreements at the exchange",
    "gateway.certificate-expiring.v1": "the exchange's own alarm",
    "gateway.quota-reached.v1": "the exchange's own alarm; agencies read their use at /v1/usage/mine",
    "gateway.signing-key-changed.v1": "how services learn keys; agencies read them from the key sets",
    "gateway.revocation-list-ending.v1": "the exchange's own alarm",
}
"""Event types that no agency follows, each with the reason."""
