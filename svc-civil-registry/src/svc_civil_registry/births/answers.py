"""Puts a birth's record, number and register entry together into what callers are answered."""

from datetime import datetime
from typing import Any
from uuid import UUID

from svc_civil_registry.births.schemas import (
    AwaitingBirth,
    BirthIn,
    BirthOut,
    BirthRecordOut,
    BirthSummary,
    StepOut,
)
from svc_civil_registry.books.schemas import RegisterNumber
from svc_civil_registry.events.service import Record
from svc_civil_registry.events.vocabulary import Flag, Status


def birth_out(
    record: Record,
    *,
    personal_id: str | None = None,
    registered_at: datetime | None = None,
    number: RegisterNumber | None = None,
) -> BirthOut:
    """Return where the birth stands."""
    state = record.state
    return BirthOut(
        birth_id=record.id,
        office=record.office,
        status=state.status,
        flags=tuple(sorted(state.flags)),
        declared_at=record.created_at,
        registered_at=registered_at,
        personal_id=personal_id,
        register_number=number,
        reasons=state.reasons,
        duplicate_of=UUID(state.duplicate_of) if state.duplicate_of else None,
    )


def birth_record_out(record: Record, birth: Any, number: RegisterNumber | None) -> BirthRecordOut:
    """Return the whole record."""
    outline = birth_out(
        record, personal_id=birth.personal_id, registered_at=birth.registered_at, number=number
    )
    return BirthRecordOut(
        **{name: getattr(outline, name) for name in BirthOut.model_fields},
        declaration=BirthIn.model_validate(birth.declaration),
        history=tuple(
            StepOut(
                action=s.type, occurred_at=s.occurred_at, actor=s.actor, officer=s.officer, office=s.office
            )
            for s in record.steps
        ),
    )


def birth_summary(row: Any) -> BirthSummary:
    """Return one line of a list."""
    child = row.declaration["child"]
    names = (child.get("surname"), child.get("middle_name"), child["given_name"])
    return BirthSummary(
        birth_id=row.id,
        office=row.office,
        status=Status(row.status),
        flags=tuple(Flag(f) for f in row.flags),
        child_name=" ".join(n for n in names if n),
        birth_date=child["birth_date"],
        declared_at=row.created_at,
        personal_id=row.personal_id,
    )


def awaiting_birth(row: Any) -> AwaitingBirth:
    """Return one line of the queue."""
    return AwaitingBirth(
        birth_id=row.birth_id,
        office=row.office,
        requested_at=row.requested_at,
        attempts=row.attempts,
        next_attempt_at=row.next_attempt_at,
        last_error=row.last_error,
    )
