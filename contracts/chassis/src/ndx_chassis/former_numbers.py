"""Personal IDs that lead to another one, because they were cancelled or their record was merged.

A service that keeps something under personal IDs takes `former_numbers` into its metadata and lets what it
keeps follow. `kept` says what followed, so that a merger that is undone gives it back; `late`, `led`,
`merger` and `parted` in it are this module's. A number whose merger is undone leads to itself: its row
remembers by `parted` which version of the surviving record undid it, so that an older merger told late
changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    MetaData,
    ScalarSelect,
    Table,
    Text,
    bindparam,
    func,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP, insert
from sqlalchemy.ext.asyncio import AsyncSession

from ndx_chassis.db import NAMING

table = Table(
    "former_numbers",
    MetaData(naming_convention=NAMING),
    Column("personal_id", Text, primary_key=True),
    Column("superseded_by", Text, nullable=False),
    Column("merged", Boolean, nullable=False),
    Column("kept", JSONB, nullable=False),
    Column("recorded_at", TIMESTAMP(timezone=True), nullable=False, server_default=text("clock_timestamp()")),
    Index("ix_former_numbers_superseded_by", "superseded_by"),
)

# Built once: building a statement costs more than running it.
_TODAY = select(table.c.personal_id, table.c.superseded_by).where(
    table.c.personal_id == func.any(bindparam("numbers", type_=ARRAY(Text)))
)
_LEADING = select(table.c.personal_id, table.c.superseded_by).where(
    table.c.superseded_by == func.any(bindparam("numbers", type_=ARRAY(Text)))
)
_ROW = select(table).where(table.c.personal_id == bindparam("number"))


@dataclass(frozen=True, slots=True)
class Merger:
    """Which merger, or end of one, an event tells of: the surviving record and its version after it."""

    record: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Former:
    """A number that led to another one, and what the service noted of what had followed it."""

    personal_id: str
    superseded_by: str
    kept: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Late:
    """A number that was told to lead to `into` when `into` itself led on already: it belongs there."""

    number: str
    into: str
    merger: Merger | None


def take_into(metadata: MetaData) -> None:
    """Make the table one of the service's own."""
    table.to_metadata(metadata)


def number_of_today() -> ScalarSelect[str]:
    """Return, for a statement with a parameter `number`, the number to which that one leads, or none."""
    leads = table.c.personal_id == bindparam("number")
    return select(table.c.superseded_by).where(leads).scalar_subquery()


async def today(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, str]:
    """Return for each number the one to which it leads, or itself."""
    found = await session.execute(_TODAY, {"numbers": list(personal_ids)})
    now = {row.personal_id: row.superseded_by for row in found}
    return {number: now.get(number, number) for number in personal_ids}


async def current(session: AsyncSession, personal_id: str) -> str:
    """Return the number to which a former one leads, or the number itself."""
    return (await today(session, [personal_id]))[personal_id]


async def leading_to(session: AsyncSession, personal_ids: Sequence[str]) -> dict[str, str]:
    """Return every number that leads to one of these, with the one to which it leads."""
    found = await session.execute(_LEADING, {"numbers": list(personal_ids)})
    return {row.personal_id: row.superseded_by for row in found}


async def to_follow(session: AsyncSession, *, old: str, new: str, merger: Merger | None) -> str | None:
    """Return the number to which an old one leads from now on; None when an event changes nothing.

    Nothing changes when the old number leads on already, and when the merger was undone by a later version
    of the surviving record. Without a merger the number is cancelled. Both numbers must be held.
    """
    row = (await session.execute(_ROW, {"number": old})).first()
    if row is not None and row.superseded_by != old:
        if merger is not None and row.merged:
            await _note_later(session, old, row.kept, merger)
        return None
    if row is not None and merger is not None and _version(row.kept["parted"], merger) >= merger.version:
        return None
    target = await current(session, new)
    if target == old:
        return None
    if target != new:
        await _note_late(session, Late(old, new, merger), target)
    return target


async def lead_on(
    session: AsyncSession, *, old: str, new: str, merger: Merger | None, kept: Mapping[str, Any]
) -> None:
    """Let a number lead to another one, and all numbers that led to it as well; `kept` is what followed."""
    led = await session.scalars(
        update(table)
        .where(table.c.superseded_by == old, table.c.personal_id != old)
        .values(superseded_by=new)
        .returning(table.c.personal_id)
    )
    row = (await session.execute(_ROW, {"number": old})).first()
    noted = {**kept, "led": sorted(led), "parted": {} if row is None else row.kept["parted"]}
    if merger is not None:
        noted["merger"] = {"record": str(merger.record), "version": merger.version}
    await _write(session, personal_id=old, superseded_by=new, merged=merger is not None, kept=noted)


async def keep(session: AsyncSession, old: str, more: Mapping[str, Any]) -> None:
    """Note what else followed a number, to be given back if the merger is undone."""
    await session.execute(
        update(table)
        .where(table.c.personal_id == old)
        .values(kept=table.c.kept.concat(bindparam("more", type_=JSONB))),
        {"more": dict(more)},
    )


async def kept_of(session: AsyncSession, number: str) -> Mapping[str, Any]:
    """Return what is noted with a number; nothing when it leads nowhere."""
    row = (await session.execute(_ROW, {"number": number})).first()
    return {} if row is None else row.kept


async def told_late(session: AsyncSession, *, number: str, merger: Merger) -> list[Late]:
    """Return the numbers that belong to one whose merger is undone, and whose own way was told after it.

    What was theirs went past it. So they are parted with no merger before it is, the last one first, and
    then follow once more: that leaves everything as if all had been told in its order.
    """
    row = (await session.execute(_ROW, {"number": number})).first()
    if row is None or not row.merged or row.superseded_by == number or _newer(row.kept, merger):
        return []
    found: dict[str, Late] = {}
    for noted in row.kept.get("late", ()):
        late = (await session.execute(_ROW, {"number": noted["number"]})).first()
        if late is None or late.superseded_by != row.superseded_by:
            continue
        way = late.kept.get("merger") or {"record": None}
        if noted["record"] == way["record"]:
            theirs = Merger(UUID(way["record"]), way["version"]) if way["record"] else None
            found[noted["number"]] = Late(noted["number"], noted["into"], theirs)
    return list(found.values())


async def part(session: AsyncSession, *, number: str, merger: Merger | None) -> Former | None:
    """Let a number whose merger is undone be its own again; return what it was, None if nothing changed.

    Nothing changes for a cancelled number, and when the number was merged again since; an end that is told
    before its merger is remembered. Numbers that led to this one before lead to it again. Without a merger
    it is no end: the number follows once more at once, see `told_late`.
    """
    row = (await session.execute(_ROW, {"number": number})).first()
    kept = {} if row is None else row.kept
    leads = row is not None and row.superseded_by != number
    parted = dict(kept.get("parted", {}))
    if merger is not None:
        if row is not None and (not row.merged or (leads and _newer(kept, merger))):
            return None
        parted[str(merger.record)] = max(_version(parted, merger), merger.version)
    await _write(session, personal_id=number, superseded_by=number, merged=True, kept={"parted": parted})
    if row is None or not leads:
        return None
    # Only what still leads where this one led: a number of them may have come back by itself.
    with_it = table.c.personal_id.in_(kept["led"]) & (table.c.superseded_by == row.superseded_by)
    await session.execute(update(table).where(with_it).values(superseded_by=number))
    return Former(number, row.superseded_by, kept)


def _newer(kept: Mapping[str, Any], merger: Merger) -> bool:
    """Tell whether a number was merged again after a merger that is undone."""
    noted = kept.get("merger") or {"record": None}
    return bool(noted["record"] == str(merger.record) and noted["version"] > merger.version)


def _version(versions: Mapping[str, int], merger: Merger) -> int:
    return versions.get(str(merger.record), -1)


async def _note_later(session: AsyncSession, old: str, kept: Mapping[str, Any], merger: Merger) -> None:
    """Note that the records were merged again before the end of the first merger was heard of."""
    noted = kept.get("merger")
    if noted is not None and noted["record"] == str(merger.record) and noted["version"] < merger.version:
        await keep(session, old, {"merger": {**noted, "version": merger.version}})


async def _note_late(session: AsyncSession, late: Late, target: str) -> None:
    """Note with each number on the way from `into` to where that leads by now that one more belongs there."""
    record = None if late.merger is None else str(late.merger.record)
    noted = {"number": late.number, "into": late.into, "record": record}
    rows = await session.execute(select(table).where(table.c.superseded_by == target))
    for row in rows.all():
        led = row.kept.get("led", [])
        if row.personal_id == late.into or late.into in led:
            more = {"late": [*row.kept.get("late", []), noted], "led": sorted({*led, late.number})}
            await keep(session, row.personal_id, more)


async def _write(session: AsyncSession, **values: Any) -> None:
    await session.execute(
        insert(table)
        .values(**values)
        .on_conflict_do_update(
            index_elements=[table.c.personal_id],
            set_={name: value for name, value in values.items() if name != "personal_id"},
        )
    )
