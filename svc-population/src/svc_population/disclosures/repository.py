"""All SQL about the citizen's view: the index by person, other services' records, and the search in both."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.disclosures.models import AgencyName, ForeignDisclosure, disclosure_subjects

_COLUMNS = "agency, purpose, agreement, operation, field_groups, outcome, request_id"
_OWN = ", ".join(f"d.{c}" for c in _COLUMNS.split(", "))
_BOTH = ", ".join(f"coalesce(d.{c}, f.{c}) AS {c}" for c in _COLUMNS.split(", "))
_POSITION = text("SELECT xid, id FROM disclosure_positions WHERE source = 'disclosures'")
_WITHIN = (
    "occurred_at >= coalesce(:since, '-infinity'::timestamptz)"
    " AND occurred_at < coalesce(:until, 'infinity'::timestamptz)"
)
_AFTER = "(occurred_at, id) < (:at, :id)"

# The index, and the records that the job had not put into it a moment before; UNION drops what is in both.
_SEARCH = text(
    "SELECT * FROM ("  # noqa: S608 - put together from constants; every value is a parameter
    f" SELECT s.subject, s.occurred_at, s.id, coalesce(f.service, 'population') AS service, {_BOTH}"
    " FROM (SELECT * FROM disclosure_subjects"
    f" WHERE subject = ANY(:subjects) AND {_WITHIN} AND {_AFTER}"
    " ORDER BY occurred_at DESC, id DESC, subject DESC LIMIT :limit) s"
    " LEFT JOIN disclosures d ON d.xid = s.xid AND d.id = s.id AND d.occurred_at = s.occurred_at"
    " LEFT JOIN foreign_disclosures f ON s.xid IS NULL AND f.id = s.id"
    " UNION"
    f" SELECT subject, d.occurred_at, d.id, 'population', {_OWN}"
    f" FROM (SELECT * FROM disclosures WHERE (xid, id) > (:xid, :last) AND subjects && :subjects) d"
    " CROSS JOIN LATERAL unnest(d.subjects) AS subject"
    f" WHERE subject = ANY(:subjects) AND {_WITHIN} AND {_AFTER}"
    ") found ORDER BY occurred_at DESC, id DESC, subject DESC LIMIT :limit"
)
# A row is taken when every transaction that could still commit a smaller position has ended.
_INDEX = text(
    "WITH taken AS MATERIALIZED ("
    " SELECT xid, id, occurred_at, subjects FROM disclosures WHERE (xid, id) > (:xid, :last)"
    " AND xid < pg_snapshot_xmin(pg_current_snapshot())::text::bigint ORDER BY xid, id LIMIT :limit"
    "), indexed AS ("
    " INSERT INTO disclosure_subjects (subject, occurred_at, id, xid)"
    " SELECT DISTINCT subject, occurred_at, id, xid FROM taken CROSS JOIN LATERAL unnest(subjects) AS subject"
    " ON CONFLICT DO NOTHING"
    "), moved AS ("
    " INSERT INTO disclosure_positions (source, xid, id)"
    " (SELECT 'disclosures', xid, id FROM taken ORDER BY xid DESC, id DESC LIMIT 1)"
    " ON CONFLICT (source) DO UPDATE SET xid = excluded.xid, id = excluded.id"
    ") SELECT count(*) FROM taken"
)


async def search(
    session: AsyncSession,
    subjects: list[str],
    *,
    since: datetime | None,
    until: datetime | None,
    after: tuple[datetime, UUID],
    limit: int,
) -> Sequence[Row[Any]]:
    """Return the records about the subjects, newest first, that come after a place in the list."""
    at, identifier = after
    xid, last = await _position(session)
    values = {"subjects": subjects, "since": since, "until": until, "limit": limit, "xid": xid, "last": last}
    found = await session.execute(_SEARCH, {**values, "at": at, "id": identifier})
    return found.all()


async def index_some(session: AsyncSession, limit: int) -> int:
    """Put the next records into the index; return how many."""
    xid, last = await _position(session)
    values = {"limit": limit, "xid": xid, "last": last}
    return int((await session.execute(_INDEX, values)).scalar_one())


async def _position(session: AsyncSession) -> tuple[int, UUID]:
    row = (await session.execute(_POSITION)).first()
    return (0, UUID(int=0)) if row is None else (row.xid, row.id)


# Built once: building a statement costs more than running it.
_ADD_FOREIGN = upsert(ForeignDisclosure).on_conflict_do_nothing()
_ADD_SUBJECT = upsert(disclosure_subjects).on_conflict_do_nothing()


async def add_foreign(session: AsyncSession, records: Sequence[tuple[dict[str, Any], Sequence[str]]]) -> None:
    """Keep records of other services with their subjects; one that is there stays."""
    await session.execute(_ADD_FOREIGN, [values for values, _ in records])
    rows = [
        {"subject": subject, "occurred_at": values["occurred_at"], "id": values["id"]}
        for values, subjects in records
        for subject in sorted(set(subjects))
    ]
    if rows:
        await session.execute(_ADD_SUBJECT, rows)


async def agency_names(session: AsyncSession, codes: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return name and English name by code, as far as they are known."""
    found = await session.scalars(select(AgencyName).where(AgencyName.code.in_(codes)))
    return {row.code: (row.name, row.name_en) for row in found}


async def keep_agency_name(session: AsyncSession, *, code: str, name: str, name_en: str) -> None:
    words = {"name": name, "name_en": name_en}
    statement = upsert(AgencyName).values(code=code, **words)
    await session.execute(statement.on_conflict_do_update(index_elements=[AgencyName.code], set_=words))
