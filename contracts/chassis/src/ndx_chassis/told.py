"""Of several words about one record the later version counts, in whatever order they come.

A service that keeps what it was told of a record under a personal ID keeps with it which word that was. After
a merger the record that stands speaks for all numbers that lead to it: a later word of it outweighs what was
told of a merged number before. When the merger is undone, the number's own word counts again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.former_numbers import table


@dataclass(frozen=True, slots=True)
class Told:
    """Which word about a record it is."""

    record: UUID
    version: int


async def outweighed(session: AsyncSession, words: Mapping[str, Told | None]) -> set[str]:
    """Return those of these numbers of which a later word of the record that stands says it all.

    `words` are what was told last of each of some people's numbers, all of them; None: nobody noted which.
    """
    latest: dict[UUID, int] = {}
    for word in words.values():
        if word is not None:
            latest[word.record] = max(word.version, latest.get(word.record, -1))
    if len(words) < 2 or not latest:  # noqa: PLR2004 - one word has no other beside it
        return set()
    theirs = select(table.c.superseded_by).where(table.c.personal_id.in_(list(words)))
    leading = table.c.superseded_by.in_(theirs) & (table.c.personal_id != table.c.superseded_by)
    rows = (await session.execute(select(table).where(leading))).all()
    now = {row.personal_id: row.superseded_by for row in rows}
    past: set[str] = set()
    for row in rows:
        merger = row.kept.get("merger")
        if merger is not None and latest.get(UUID(merger["record"]), -1) > merger["version"]:
            # Whoever led to it went the same way, unless they came back by themselves.
            along = (number for number in row.kept["led"] if now.get(number) == row.superseded_by)
            past |= {row.personal_id, *along}
    return past & words.keys()
