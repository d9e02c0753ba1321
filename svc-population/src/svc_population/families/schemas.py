"""Relationships as they are stated, ended and answered."""

from datetime import date
from typing import Annotated, Literal
from uuid import UUID

from ndx_contracts.bodies import Input, Output
from ndx_contracts.names import words
from ndx_contracts.personal_ids import PersonalId
from pydantic import AfterValidator, Field, StringConstraints, model_validator

from svc_population.relationships.vocabulary import Relation, RelationshipEnd

Words = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(words)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]


class RelationshipIn(Input):
    """What somebody is to the person: by number, or by name where there is no number.

    A parent's `since` is left out: it is the birth. A guardian and a spouse need one.
    """

    relation: Relation
    personal_id: PersonalId | None = None
    name: Words | None = None
    birth_year: int | None = Field(default=None, ge=1850, le=2200)
    nationality: Country = "VN"
    since: date | None = None
    document: Words

    @model_validator(mode="after")
    def _somebody_since(self) -> "RelationshipIn":
        if (self.personal_id is None) is (self.name is None):
            raise ValueError("state either personal_id or name")
        parent = self.relation in {Relation.MOTHER, Relation.FATHER}
        if parent is (self.since is not None):
            raise ValueError("since belongs to spouses and guardians, and is needed there")
        return self


class RelationshipEndIn(Input):
    """Why it ended; WRONG_ENTRY: it never was true, `ended_on` is left out."""

    cause: Literal[
        RelationshipEnd.DIVORCE,
        RelationshipEnd.ANNULMENT,
        RelationshipEnd.GUARDIANSHIP_ENDED,
        RelationshipEnd.PARENTAGE_CHANGED,
        RelationshipEnd.WRONG_ENTRY,
    ]
    ended_on: date | None = None
    document: Words

    @model_validator(mode="after")
    def _day(self) -> "RelationshipEndIn":
        if (self.cause is RelationshipEnd.WRONG_ENTRY) is (self.ended_on is not None):
            raise ValueError("ended_on is needed, except for WRONG_ENTRY")
        return self


class RelationshipOut(Output):
    """A relative of today or a former one; `relation` is what they are to the person."""

    relationship_id: UUID
    relation: Literal["MOTHER", "FATHER", "SPOUSE", "CHILD", "GUARDIAN", "WARD"]
    personal_id: PersonalId | None
    name: str | None
    since: date | None
    ended_on: date | None
    end_cause: RelationshipEnd | None
    source: str


class RelationshipsOut(Output):
    """Relatives of today first, then the former ones."""

    items: tuple[RelationshipOut, ...]
    next_cursor: None = None
