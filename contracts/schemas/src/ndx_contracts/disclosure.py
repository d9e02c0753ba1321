"""The disclosure record: who got whose data, which fields, why, under which agreement."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from ndx_contracts.field_groups import FieldGroup


class Outcome(StrEnum):
    """What the asker learnt. A yes/no answer is a disclosure too, and so is 'not found'.

    REPEATED: an earlier answer of the same operation was given again, under the same `Idempotency-Key`.
    """

    DISCLOSED = "DISCLOSED"
    MATCHED = "MATCHED"
    NOT_MATCHED = "NOT_MATCHED"
    NOT_FOUND = "NOT_FOUND"
    REPEATED = "REPEATED"


class DisclosureRecord(BaseModel):
    """Value of topic `<service>.disclosure.v1`; the key is the record's id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    occurred_at: datetime
    service: str
    agency: str
    system: str
    officer: str | None
    case_id: str | None
    purpose: str
    agreement: str
    agreement_version: int
    operation: str
    subjects: tuple[str, ...]
    field_groups: tuple[FieldGroup, ...]
    outcome: Outcome
    request_id: str
    trace_id: str | None
