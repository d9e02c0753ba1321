"""All SQL about relationships."""

from collections.abc import Sequence
from typing import Any, cast

from ndx_chassis.last_writes import write_last
from sqlalchemy import Row, Table, text
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.relationships.models import Relationship

_ANCESTOR = text(
    "WITH RECURSIVE up (personal_id, depth) AS ("
    ' SELECT CAST(:start AS text) COLLATE "C", 0'
    " UNION SELECT r.related_personal_id, up.depth + 1 FROM up"
    " JOIN relationships r ON r.personal_id = up.personal_id"
    " WHERE r.relation IN ('MOTHER', 'FATHER') AND r.related_personal_id IS NOT NULL AND up.depth < 20)"
    " SELECT 1 FROM up WHERE personal_id = :sought LIMIT 1"
)
_CHILDREN = text(
    "SELECT p.personal_id, p.birth_date, p.surname, p.middle_name, p.given_name, p.life_status, r.id"
    " FROM relationships r JOIN persons p ON p.personal_id = r.personal_id"
    " WHERE r.related_personal_id = :parent AND r.relation IN ('MOTHER', 'FATHER')"
    " ORDER BY p.birth_date, p.personal_id"
)

_relationships = cast("Table", Relationship.__table__)


def add(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Add relationships; they are written when the transaction commits."""
    write_last(session, _relationships, *rows)


async def is_ancestor(session: AsyncSession, *, of: str, sought: str) -> bool:
    """Tell whether `sought` is `of` or stands above them, up to 20 generations."""
    return (await session.execute(_ANCESTOR, {"start": of, "sought": sought})).first() is not None


async def children(session: AsyncSession, parent: str) -> Sequence[Row[Any]]:
    return (await session.execute(_CHILDREN, {"parent": parent})).all()


async def renumber(session: AsyncSession, old: str, new: str) -> None:
    for column in ("personal_id", "related_personal_id"):
        await session.execute(
            text(f"UPDATE relationships SET {column} = :new WHERE {column} = :old"),  # noqa: S608 - two fixed names
            {"old": old, "new": new},
        )
