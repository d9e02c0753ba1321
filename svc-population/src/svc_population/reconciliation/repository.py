"""All SQL about cases; the persons whom they are about are read many at once."""

from collections.abc import Sequence
from datetime import date
from typing import Any, cast
from uuid import UUID

from sqlalchemy import RowMapping, Table, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from svc_population.reconciliation.models import ReconciliationCase
from svc_population.reconciliation.vocabulary import WAITING

_PERSONS = text(
    "SELECT asked.number AS asked, p.personal_id, p.person_id, p.birth_date, p.sex, p.nationality,"
    " p.ethnicity_code, p.legacy_id_number, p.marital_status, p.life_status, p.permanent_province_code,"
    " p.permanent_commune_code, p.birth_registration_province_code, p.birth_registration_commune_code,"
    " concat_ws(' ', p.surname, p.middle_name, p.given_name) AS birth_name"
    " FROM unnest(CAST(:numbers AS text[])) AS asked (number)"
    " LEFT JOIN former_personal_ids f ON f.personal_id = asked.number"
    " JOIN LATERAL (SELECT * FROM persons x"
    ' WHERE x.personal_id = coalesce(f.superseded_by, asked.number) COLLATE "C") p ON true'
)
_FORMER = text(
    "SELECT personal_id, superseded_by FROM former_personal_ids"
    " WHERE superseded_by = ANY(CAST(:numbers AS text[]))"
)
_SEEN_WHOLE = text(
    "NOT EXISTS (SELECT FROM jsonb_array_elements(disputed) AS d"
    " WHERE d->>'field' <> ALL(CAST(:seen AS text[])))"
)
_cases = cast("Table", ReconciliationCase.__table__)


async def persons(session: AsyncSession, numbers: Sequence[str]) -> dict[str, RowMapping]:
    """Return the persons of these numbers, of today or former, by the asked number."""
    rows = await session.execute(_PERSONS, {"numbers": list(numbers)})
    return {row["asked"]: row for row in rows.mappings()}


async def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> set[UUID]:
    """Add cases that are not known yet; return the ids of those that are new."""
    if not rows:
        return set()
    statement = insert(_cases).on_conflict_do_nothing().returning(_cases.c.id)
    found = await session.scalars(statement, list(rows))
    return set(found.all())


async def known(
    session: AsyncSession, agency: str, keys: Sequence[tuple[str, str, str]]
) -> Sequence[ReconciliationCase]:
    """Return an agency's cases by (reference, number, kind): of that reference, or waiting for the others.

    A number stands for those that it replaced as well.
    """
    case = ReconciliationCase
    numbers = sorted({k[1] for k in keys})
    former = (await session.execute(_FORMER, {"numbers": numbers})).all()
    kinds = {(k[1], k[2]) for k in keys}
    about = kinds | {(was, kind) for was, now in former for number, kind in kinds if number == now}
    statement = select(case).where(
        case.agency == agency,
        case.reference.in_([k[0] for k in keys])
        | (tuple_(case.personal_id, case.kind).in_(about) & case.state.in_(WAITING)),
    )
    return (await session.scalars(statement)).all()


async def about_both(session: AsyncSession, numbers: Sequence[str]) -> Sequence[ReconciliationCase]:
    """Return the cases about two records both of which are under these numbers of today, or former ones."""
    former = (await session.execute(_FORMER, {"numbers": list(numbers)})).all()
    all_numbers = sorted({*numbers, *(was for was, _ in former)})
    case = ReconciliationCase
    statement = select(case).where(
        case.personal_id.in_(all_numbers),
        case.other_personal_id.is_not(None),
        case.other_personal_id.in_(all_numbers),
    )
    return (await session.scalars(statement.order_by(case.id).with_for_update())).all()


def show_as(case: ReconciliationCase, number: str, *, other: str | None) -> None:
    """Let a case that was read carry numbers of today; the row keeps its own, which may come back."""
    set_committed_value(case, "personal_id", number)
    set_committed_value(case, "other_personal_id", other)


async def one_at_a_time(session: AsyncSession, agency: str) -> None:
    """Let an agency's calls wait for each other until the transaction ends."""
    name = f"ndx-population-reconciliation:{agency}"
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtext(:name))"), {"name": name})


async def case(session: AsyncSession, case_id: UUID) -> ReconciliationCase | None:
    statement = select(ReconciliationCase).where(ReconciliationCase.id == case_id)
    return await session.scalar(statement.with_for_update())


async def own(
    session: AsyncSession, agency: str, *, after: UUID | None, limit: int
) -> Sequence[ReconciliationCase]:
    statement = select(ReconciliationCase).where(ReconciliationCase.agency == agency)
    if after is not None:
        statement = statement.where(ReconciliationCase.id > after)
    return (await session.scalars(statement.order_by(ReconciliationCase.id).limit(limit))).all()


async def waiting(
    session: AsyncSession,
    *,
    provinces: Sequence[str],
    communes: Sequence[str],
    seen: Sequence[str],
    after: tuple[date, UUID] | None,
    limit: int,
) -> Sequence[ReconciliationCase]:
    """Return the waiting cases of a scope (both empty: everywhere), those due first first.

    Cases with a disputed field that is not among those `seen` are left out.
    """
    case = ReconciliationCase
    statement = select(case).where(case.state.in_(WAITING), _SEEN_WHOLE.bindparams(seen=list(seen)))
    if provinces or communes:
        statement = statement.where(case.province_code.in_(provinces) | case.commune_code.in_(communes))
    if after is not None:
        statement = statement.where(tuple_(case.deadline, case.id) > after)
    return (await session.scalars(statement.order_by(case.deadline, case.id).limit(limit))).all()
