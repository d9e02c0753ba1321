"""What a citizen sees of the reads of their data."""

from datetime import datetime
from typing import Literal
from uuid import UUID

from ndx_contracts.bodies import Output


class WordsOut(Output):
    """A code with its words in both languages."""

    code: str
    vi: str
    en: str


class SubjectOut(Output):
    """Whose data was read: `self`, or the reference of a child (for the filter `subject`)."""

    ref: str
    relation: Literal["SELF", "CHILD"]
    name: str


class LegalBasisOut(Output):
    text: str
    reference: str


class MyDisclosureOut(Output):
    """One read: who, when, what for, on which basis, which groups, and what they learnt."""

    id: UUID
    occurred_at: datetime
    subject: SubjectOut
    agency: WordsOut
    service: str
    operation: str
    purpose: WordsOut
    agreement: str
    legal_basis: LegalBasisOut | None
    field_groups: tuple[WordsOut, ...]
    outcome: str
    request_id: str


class MyDisclosuresOut(Output):
    """Newest first; `subjects` are the people whose reads the caller may see."""

    subjects: tuple[SubjectOut, ...]
    items: tuple[MyDisclosureOut, ...]
    next_cursor: str | None
