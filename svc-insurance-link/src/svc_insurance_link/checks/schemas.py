"""What a clinic asks and what it is answered."""

from datetime import date
from typing import Annotated
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from ndx_contracts.personal_ids import PersonalId
from pydantic import Field, StringConstraints, model_validator

from svc_insurance_link.entitlements.schemas import IdentityCopyOut

Text = Annotated[str, StringConstraints(min_length=1, max_length=150)]
KEYS = ("card_qr", "personal_id", "card_code", "social_insurance_number")


class EntitlementCheckIn(Input):
    """Exactly one key. The QR of an identity card brings name and birth date itself; the others need both."""

    card_qr: Annotated[str, StringConstraints(min_length=1, max_length=1000)] | None = None
    personal_id: PersonalId | None = None
    card_code: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = None
    social_insurance_number: Annotated[str, StringConstraints(min_length=1, max_length=32)] | None = None
    name: Text | None = None
    birth_date: date | None = None
    visit_date: date | None = Field(default=None, description="Today when it is missing.")
    clerk_name: Text
    clerk_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    """Personal ID or staff number of the person who asks: every check is attributed to one."""

    @model_validator(mode="after")
    def _one_key(self) -> "EntitlementCheckIn":
        given = [key for key in KEYS if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of " + ", ".join(KEYS))
        claims = (self.name is not None, self.birth_date is not None)
        if self.card_qr is not None and any(claims):
            raise ValueError("name and birth_date are in card_qr already")
        if self.card_qr is None and not all(claims):
            raise ValueError("name and birth_date are needed")
        return self


class CoverOut(Output):
    """The entitlement that covers the visit."""

    kind: str
    participant_group: str
    benefit_level: int
    valid_from: date
    valid_to: date | None


class EntitlementCheckOut(Output):
    """The national result code with its words, and what the clerk should do.

    `entitlement` and `identity_copy` are there only when name and birth date fit.
    """

    check_id: UUID
    result_code: str
    result_vi: str
    result_en: str
    action: str
    action_vi: str
    action_en: str
    covered: bool
    visit_date: date
    entitlement: CoverOut | None = None
    identity_copy: IdentityCopyOut | None = None
