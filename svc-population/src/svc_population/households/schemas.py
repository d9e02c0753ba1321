"""Households as they are asked for and answered."""

from datetime import date
from typing import Annotated
from uuid import UUID

from ndx_contracts.agreements import CommuneCode, ProvinceCode
from ndx_contracts.bodies import Input, Output
from ndx_contracts.names import words
from ndx_contracts.personal_ids import PersonalId
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from svc_population.households.vocabulary import HouseholdState, MembershipEnd, RelationToHead

Words = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(words)]
MOST_MEMBERS = 60
HouseholdNumber = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]{0,39}$")]


class MemberIn(Input):
    personal_id: PersonalId
    relation_to_head: RelationToHead


Members = Annotated[tuple[MemberIn, ...], Field(min_length=1, max_length=MOST_MEMBERS)]


class StepIn(Input):
    """Since when it is true, and the document that it rests on."""

    on: date
    document: Words


class _WithMembers(StepIn):
    members: Members

    @model_validator(mode="after")
    def _each_once_and_one_head(self) -> "_WithMembers":
        if len({m.personal_id for m in self.members}) != len(self.members):
            raise ValueError("a member stands twice")
        if sum(m.relation_to_head is RelationToHead.HEAD for m in self.members) != 1:
            raise ValueError("one member is the head")
        return self


class HouseholdIn(_WithMembers):
    """A new household of people who are in none; codes are those of today's list."""

    province_code: ProvinceCode
    commune_code: CommuneCode
    address: Words | None = None


class SplitIn(HouseholdIn):
    """The members who form a household of their own, with their relations to its head."""


class HeadIn(_WithMembers):
    """Every member with the relation to the new head, the new head among them."""


class JoinIn(StepIn, MemberIn):
    leaves_former: bool = False
    """Leave the household in which the person is now; a head cannot while others stay there."""

    @model_validator(mode="after")
    def _no_second_head(self) -> "JoinIn":
        if self.relation_to_head is RelationToHead.HEAD:
            raise ValueError("another head is set by itself")
        return self


class LeaveIn(StepIn):
    """A member leaves; the last one dissolves the household."""


class CorrectedMemberIn(Input):
    """Without a relation: the person was no member on these days."""

    personal_id: PersonalId
    relation_to_head: RelationToHead | None = None


class HouseholdCorrectionIn(Input):
    """Who was what in the household from a past day to a past day, both included.

    Members who are not named stay as they are on record, and so do all other days.
    """

    valid_from: date
    valid_to: date
    document: Words
    members: Annotated[tuple[CorrectedMemberIn, ...], Field(min_length=1, max_length=MOST_MEMBERS)]
    leaves_former: bool = False
    """Who was in another household on some of these days by the record was not there."""

    @model_validator(mode="after")
    def _each_once(self) -> "HouseholdCorrectionIn":
        if len({m.personal_id for m in self.members}) != len(self.members):
            raise ValueError("a member stands twice")
        return self


class HouseholdMemberOut(Output):
    personal_id: PersonalId
    name: str
    relation_to_head: RelationToHead | None


class FormerMemberOut(Output):
    personal_id: PersonalId
    relation_to_head: RelationToHead
    since: date
    ended_on: date
    end_cause: MembershipEnd


class HouseholdDetailOut(Output):
    """A household of today with its members, the head first, and the memberships that ended."""

    number: str
    household_id: UUID | None
    """Null: it came with an import and was not touched since."""
    state: HouseholdState
    version: int
    province_code: str | None
    commune_code: str | None
    address: str | None
    members: tuple[HouseholdMemberOut, ...]
    former_members: tuple[FormerMemberOut, ...]


class HeadlessHouseholdOut(Output):
    number: str
    commune_code: str | None
    since: date


class HeadlessHouseholdsOut(Output):
    items: tuple[HeadlessHouseholdOut, ...]
    next_cursor: str | None
