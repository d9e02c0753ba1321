"""All SQL about persons except the hot read, which stands in `lookup_sql`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

import orjson
from ndx_chassis.last_writes import update_last, write_last
from sqlalchemy import Executable, Table, Text, any_, bindparam, delete, exists, func, select, text, update
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.persons.models import (
    FormerPersonalId,
    Person,
    PersonHistory,
    person_cards,
    verification_guards,
)

# Built once: building a statement costs more than running it.
_persons, _former = cast("Table", Person.__table__), cast("Table", FormerPersonalId.__table__)
_history = cast("Table", PersonHistory.__table__)
_CURRENT = select(_former.c.superseded_by).where(_former.c.personal_id == bindparam("number"))
_PERSON = select(Person).where(Person.personal_id == bindparam("number"))
# What the session read before the lock is old by then: the row replaces it.
_LOCKED_PERSON = _PERSON.with_for_update().execution_options(populate_existing=True)
# Locked in one order, so that two who lock many do not wait for each other.
_LOCKED_PEOPLE = (
    select(Person)
    .where(Person.personal_id == any_(bindparam("numbers", type_=ARRAY(Text))))
    .order_by(Person.personal_id)
    .with_for_update()
    .execution_options(populate_existing=True)
)
_EFFECTS = text(
    "SELECT h.person_id, g AS changed, max(h.valid_from) AS latest"
    " FROM person_history h CROSS JOIN LATERAL unnest(h.changed) AS g"
    " WHERE h.person_id = ANY (CAST(:people AS uuid[])) GROUP BY h.person_id, g"
)
_CARD = ("kind", "issued_on", "issued_at", "valid_to")


async def current_number(session: AsyncSession, personal_id: str) -> str:
    """Return the number that replaced a former one, or the number itself."""
    successor: str | None = await session.scalar(_CURRENT, {"number": personal_id})
    return successor or personal_id


async def former_numbers(session: AsyncSession, personal_ids: list[str]) -> list[tuple[str, str]]:
    """Return (former, current) pairs of the given current numbers."""
    rows = await session.execute(
        select(FormerPersonalId.personal_id, FormerPersonalId.superseded_by).where(
            FormerPersonalId.superseded_by.in_(personal_ids)
        )
    )
    return [(former, current) for former, current in rows]


async def successors(session: AsyncSession, personal_ids: list[str]) -> list[tuple[str, str]]:
    """Return (former, current) pairs of those of the given numbers that were replaced."""
    rows = await session.execute(
        select(FormerPersonalId.personal_id, FormerPersonalId.superseded_by).where(
            FormerPersonalId.personal_id.in_(personal_ids)
        )
    )
    return [(former, current) for former, current in rows]


async def person(session: AsyncSession, personal_id: str, *, lock: bool = False) -> Person | None:
    return await session.scalar(_LOCKED_PERSON if lock else _PERSON, {"number": personal_id})


async def people(session: AsyncSession, personal_ids: list[str]) -> Sequence[Person]:
    """Lock several people's rows and return them."""
    return (await session.scalars(_LOCKED_PEOPLE, {"numbers": personal_ids})).all()


async def now(session: AsyncSession) -> datetime:
    moment: datetime = (await session.execute(select(func.clock_timestamp()))).scalar_one()
    return moment


async def effects(session: AsyncSession, people: list[UUID]) -> dict[UUID, dict[str, date]]:
    """Return by person and group the latest day from which a recorded change is true."""
    found: dict[UUID, dict[str, date]] = {}
    for row in await session.execute(_EFFECTS, {"people": people}):
        found.setdefault(row.person_id, {})[row.changed] = row.latest
    return found


def update_later(session: AsyncSession, personal_id: str, values: dict[str, Any]) -> None:
    """Like `update_person`, when the transaction writes what it kept for the end."""
    update_last(session, _persons, {"personal_id": personal_id, **values})


def add_history_later(session: AsyncSession, values: dict[str, Any]) -> None:
    write_last(session, _history, values)


async def insert_person(session: AsyncSession, values: dict[str, Any]) -> UUID | None:
    """Insert a person; None when the number is or was somebody's already."""
    person_id: UUID | None = await session.scalar(_insertion(*values), values)
    return person_id


@cache
def _insertion(*names: str) -> Executable:
    is_former = exists().where(_former.c.personal_id == bindparam("personal_id"))
    given = select(*(bindparam(name, type_=_persons.c[name].type) for name in names)).where(~is_former)
    statement = insert(_persons).from_select(names, given)
    return statement.on_conflict_do_nothing().returning(_persons.c.person_id)


async def update_person(session: AsyncSession, personal_id: str, values: dict[str, Any]) -> None:
    statement = update(Person).where(Person.personal_id == personal_id)
    await session.execute(
        statement.values(**values, recorded_at=func.clock_timestamp()),
        execution_options={"synchronize_session": False},
    )


async def add_history(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(insert(PersonHistory).values(**values))


async def history(session: AsyncSession, person_id: UUID) -> Sequence[PersonHistory]:
    """Return the changes of a record, oldest first."""
    statement = select(PersonHistory).where(PersonHistory.person_id == person_id)
    return (await session.scalars(statement.order_by(PersonHistory.version))).all()


async def latest_effect(session: AsyncSession, person_id: UUID, groups: list[str]) -> date | None:
    """Return the latest day from which a recorded change of one of these groups is true."""
    day: date | None = await session.scalar(
        select(func.max(PersonHistory.valid_from)).where(
            PersonHistory.person_id == person_id, PersonHistory.changed.overlap(groups)
        )
    )
    return day


async def cards(session: AsyncSession, personal_id: str) -> list[dict[str, Any]]:
    """Return the person's cards, oldest first."""
    c = person_cards.c
    statement = select(c.kind, c.issued_on, c.issued_at, c.valid_to).where(c.personal_id == personal_id)
    rows = await session.execute(statement.order_by(c.issued_on, c.kind))
    return [dict(zip(_CARD, row, strict=True)) for row in rows]


async def replace_cards(session: AsyncSession, personal_id: str, cards: list[dict[str, Any]]) -> None:
    await session.execute(delete(person_cards).where(person_cards.c.personal_id == personal_id))
    if cards:
        await session.execute(insert(person_cards).values([{**c, "personal_id": personal_id} for c in cards]))


async def move_cards(session: AsyncSession, old: str, new: str) -> None:
    await session.execute(
        update(person_cards).where(person_cards.c.personal_id == old).values(personal_id=new)
    )


_KEEP = text("SELECT to_jsonb(p) FROM persons p WHERE p.personal_id = :number")
_REMOVE = text("DELETE FROM persons WHERE personal_id = :number")
_PUT_BACK = text(
    "INSERT INTO persons SELECT * FROM jsonb_populate_record(NULL::persons, CAST(:kept AS jsonb))"
    " ON CONFLICT DO NOTHING RETURNING personal_id"
)
_FREE_FORMER = text("DELETE FROM former_personal_ids WHERE personal_id = :number AND person_id = :person_id")
_LEAD_BACK = text("UPDATE former_personal_ids SET superseded_by = :number WHERE person_id = :person_id")


async def keep(session: AsyncSession, personal_id: str) -> dict[str, Any]:
    """Return a person's whole row as the database writes it in JSON: nothing of it is lost or rounded."""
    kept: dict[str, Any] = (await session.execute(_KEEP, {"number": personal_id})).scalar_one()
    return kept


async def remove_person(session: AsyncSession, personal_id: str) -> None:
    await session.execute(_REMOVE, {"number": personal_id})


async def put_back(session: AsyncSession, kept: dict[str, Any]) -> bool:
    """Insert a row that `keep` returned; False when the number is somebody's."""
    found = await session.execute(_PUT_BACK, {"kept": orjson.dumps(kept).decode()})
    return found.first() is not None


async def free_former_number(session: AsyncSession, personal_id: str, person_id: UUID) -> None:
    """Let a number that led to another person be its own again; the person's former numbers lead to it."""
    values = {"number": personal_id, "person_id": person_id}
    await session.execute(_FREE_FORMER, values)
    await session.execute(_LEAD_BACK, values)


async def add_former_number(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(
        update(FormerPersonalId)
        .where(FormerPersonalId.superseded_by == values["personal_id"])
        .values(superseded_by=values["superseded_by"]),
        execution_options={"synchronize_session": False},
    )
    await session.execute(insert(FormerPersonalId).values(**values))


@dataclass(frozen=True, slots=True)
class Guesses:
    """What an agency has tried about a person in the running window."""

    agency: str
    personal_id: str
    wrong: int
    bounds: frozenset[date]
    """Days that it compared the birth date with."""
    seconds: int
    """Until the window ends."""


_guards = verification_guards
_PAIR = (_guards.c.agency == bindparam("of_agency")) & (_guards.c.personal_id == bindparam("of_person"))
_TOMORROW = text("clock_timestamp() + interval '24 hours'")
_OPEN_GUARD = insert(_guards).values(wrong=0, window_ends_at=_TOMORROW).on_conflict_do_nothing()
_LOCKED_GUARD = (
    select(
        _guards.c.wrong,
        _guards.c.bounds,
        func.extract("epoch", _guards.c.window_ends_at - func.clock_timestamp()).label("seconds"),
    )
    .where(_PAIR)
    .with_for_update()
)
_NEW_WINDOW = update(_guards).where(_PAIR).values(wrong=0, bounds=[], window_ends_at=_TOMORROW)


async def guesses(session: AsyncSession, agency: str, personal_id: str) -> Guesses:
    """Lock the pair's guard and return it; a window that has ended begins anew."""
    pair = {"of_agency": agency, "of_person": personal_id}
    await session.execute(_OPEN_GUARD, {"agency": agency, "personal_id": personal_id})
    row = (await session.execute(_LOCKED_GUARD, pair)).one()
    if row.seconds > 0:
        return Guesses(agency, personal_id, row.wrong, frozenset(row.bounds), int(row.seconds) + 1)
    await session.execute(_NEW_WINDOW, pair)
    return Guesses(agency, personal_id, 0, frozenset(), 0)


_WRONG = text(
    "SELECT personal_id, wrong FROM verification_guards WHERE agency = :agency"
    " AND personal_id = ANY (CAST(:numbers AS text[])) AND window_ends_at > clock_timestamp()"
)


async def wrong_guesses(session: AsyncSession, agency: str, numbers: Sequence[str]) -> dict[str, int]:
    """Return by number the wrong guesses of the running windows."""
    found = await session.execute(_WRONG, {"agency": agency, "numbers": list(numbers)})
    return {row.personal_id: row.wrong for row in found}


_COUNT_GUESSES = text("""
INSERT INTO verification_guards (agency, personal_id, wrong, window_ends_at)
SELECT :agency, given.n, given.wrong, clock_timestamp() + interval '24 hours'
FROM unnest(CAST(:numbers AS text[]), CAST(:wrong AS int[])) AS given(n, wrong) ORDER BY given.n
ON CONFLICT (agency, personal_id) DO UPDATE SET
    wrong = greatest(0, CASE WHEN verification_guards.window_ends_at > clock_timestamp()
        THEN verification_guards.wrong ELSE 0 END + excluded.wrong),
    bounds = CASE WHEN verification_guards.window_ends_at > clock_timestamp()
        THEN verification_guards.bounds ELSE '{}' END,
    window_ends_at = greatest(verification_guards.window_ends_at,
        CASE WHEN verification_guards.window_ends_at > clock_timestamp()
        THEN verification_guards.window_ends_at ELSE excluded.window_ends_at END)
RETURNING personal_id, wrong
""")


async def count_guesses(session: AsyncSession, agency: str, wrong: Mapping[str, int]) -> dict[str, int]:
    """Count wrong guesses about several people; return how many there are now, held until the end."""
    if not wrong:
        return {}
    numbers = sorted(wrong)
    values = {"agency": agency, "numbers": numbers, "wrong": [wrong[n] for n in numbers]}
    return {row.personal_id: row.wrong for row in await session.execute(_COUNT_GUESSES, values)}


async def add_guesses(session: AsyncSession, guard: Guesses, wrong: int, bounds: Sequence[date]) -> None:
    """Count further wrong guesses, and keep the days that were asked about."""
    await session.execute(
        update(_guards).where(_PAIR).values(wrong=_guards.c.wrong + wrong, bounds=list(bounds)),
        {"of_agency": guard.agency, "of_person": guard.personal_id},
    )
