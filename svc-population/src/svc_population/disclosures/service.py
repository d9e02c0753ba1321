"""Use cases of the citizen's view: own reads and those of one's children under 14, newest first."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_chassis.audit import record_audit
from ndx_chassis.caller import Citizen
from ndx_contracts.disclosure import DisclosureRecord
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.citizen_accounts import service as citizen_accounts
from svc_population.disclosures import repository, words
from svc_population.disclosures.errors import CursorInvalid, SubjectNotFound
from svc_population.disclosures.schemas import (
    LegalBasisOut,
    MyDisclosureOut,
    MyDisclosuresOut,
    SubjectOut,
    WordsOut,
)
from svc_population.persons import service as persons
from svc_population.persons.verification import has_reached
from svc_population.relationships import service as relationships

CHILD_UNTIL_YEARS = 14
"""A parent sees the reads about a child below this age (Identity Law 26/2023/QH15: own card from 14)."""
SELF = "self"
_FIRST_DAY, _LAST_DAY = date(1900, 1, 1), date(9000, 1, 1)
"""The ends of the calendar have no day before or after them, nor a moment in another time zone."""
_FIRST_PAGE = (datetime(9999, 1, 1, tzinfo=UTC), UUID(int=2**128 - 1))
_FOREIGN = frozenset(
    {
        "id",
        "occurred_at",
        "service",
        "agency",
        "system",
        "purpose",
        "agreement",
        "agreement_version",
        "operation",
        "request_id",
    }
)


@dataclass(frozen=True, slots=True)
class Filter:
    """Which part of the list is asked for; days are those of Viet Nam, both included."""

    subject: str | None
    since: date | None
    until: date | None
    cursor: str | None
    limit: int


async def list_own(
    session: AsyncSession, runtime: Runtime, *, citizen: Citizen, wanted: Filter
) -> MyDisclosuresOut:
    """Return a page of reads.

    Raises:
        AccountUnknown, AccountIsLocked: who asks is not known or may not.
        SubjectNotFound: the reference is neither `self` nor one of a child under 14.
        CursorInvalid: the cursor was not given by this list.
    """
    visible = await _visible(session, citizen.account_id)
    subjects = {number: s for number, s in visible.items() if wanted.subject in {None, s.ref}}
    if not subjects:
        raise SubjectNotFound
    numbers = await persons.numbers_of(session, list(subjects))
    rows = await repository.search(
        session,
        list(numbers),
        since=_start(wanted.since),
        until=_start(min(wanted.until, _LAST_DAY) + timedelta(days=1)) if wanted.until else None,
        after=_FIRST_PAGE if wanted.cursor is None else decode_cursor(wanted.cursor),
        # One record can be about several of the subjects: enough rows to end with a whole record.
        limit=wanted.limit + len(numbers),
    )
    page = _whole_records(rows, wanted.limit)
    await record_audit(
        session,
        citizen,
        action="own_disclosures_viewed",
        entity_type="account",
        entity_id=citizen.account_id,
        details={"subjects": len(subjects), "items": len(page)},
    )
    names = await repository.agency_names(session, {row.agency for row in page})
    return MyDisclosuresOut(
        subjects=tuple(visible.values()),
        items=tuple(_item(runtime, row, subjects[numbers[row.subject]], names) for row in page),
        next_cursor=encode_cursor(page[-1]) if len(rows) > len(page) else None,
    )


def _whole_records(rows: Sequence[Any], limit: int) -> Sequence[Any]:
    """Return about `limit` rows without parting the rows of one record."""
    end = min(limit, len(rows))
    while 0 < end < len(rows) and rows[end].id == rows[end - 1].id:
        end += 1
    return rows[:end]


async def _visible(session: AsyncSession, account_id: UUID) -> dict[str, SubjectOut]:
    """Return who the account's holder may see, by number of today."""
    number = await citizen_accounts.holder_of(session, account_id)
    person = await persons.find(session, number)
    name = person.full_name if person else ""
    found = {number: SubjectOut(ref=SELF, relation="SELF", name=name)}
    day = datetime.now(UTC).astimezone(VIETNAM).date()
    for child in await relationships.children_of(session, number):
        if not has_reached(child.birth_date, CHILD_UNTIL_YEARS, day):
            found[child.personal_id] = SubjectOut(
                ref=str(child.relationship_id), relation="CHILD", name=child.full_name
            )
    return found


def _start(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(max(day, _FIRST_DAY), time.min, tzinfo=VIETNAM)


def _item(
    runtime: Runtime, row: Any, subject: SubjectOut, names: Mapping[str, tuple[str, str]]
) -> MyDisclosureOut:
    agreement = runtime.agreements.get(row.agreement)
    # A template names the class that it binds; who read is the agency itself.
    name, name_en = names.get(row.agency, ("", ""))
    if agreement is not None and agreement.consumer_agency == row.agency:
        name, name_en = name or agreement.consumer_name, name_en or agreement.consumer_name_en
    basis = agreement.legal_basis if agreement else None
    return MyDisclosureOut(
        id=row.id,
        occurred_at=row.occurred_at,
        subject=subject,
        agency=WordsOut(
            code=row.agency,
            vi=name or row.agency,
            en=name_en or row.agency,
        ),
        service=row.service,
        operation=row.operation,
        purpose=words.purpose(row.purpose),
        agreement=row.agreement,
        legal_basis=LegalBasisOut(text=basis.text, reference=basis.reference) if basis else None,
        field_groups=tuple(words.field_group(code) for code in row.field_groups),
        outcome=row.outcome,
        request_id=row.request_id,
    )


def encode_cursor(row: Any) -> str:
    """Return the place of a row in the list: time and record, nobody's number."""
    return base64.urlsafe_b64encode(f"{row.occurred_at.isoformat()}|{row.id}".encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[datetime, UUID]:
    """Read a cursor.

    Raises:
        CursorInvalid: it is not one of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, identifier = text.split("|")
        return datetime.fromisoformat(at), UUID(identifier)
    except (ValueError, binascii.Error):
        raise CursorInvalid from None


async def keep_foreign(session: AsyncSession, records: Sequence[DisclosureRecord]) -> None:
    """Keep other services' records for the people whom they are about."""
    kept = []
    for record in records:
        values = record.model_dump(include=set(_FOREIGN))
        values["field_groups"] = [g.value for g in record.field_groups]
        values["outcome"] = record.outcome.value
        kept.append((values, record.subjects))
    await repository.add_foreign(session, kept)


async def index_own(runtime: Runtime, *, batch: int = 5000) -> int:
    """Put this service's new records into the index by person; return how many."""
    total = 0
    while True:
        async with runtime.sessions() as session, session.begin():
            done = await repository.index_some(session, batch)
        total += done
        if done < batch:
            return total


async def keep_agency_name(session: AsyncSession, *, code: str, name: str, name_en: str) -> None:
    await repository.keep_agency_name(session, code=code, name=name, name_en=name_en)
