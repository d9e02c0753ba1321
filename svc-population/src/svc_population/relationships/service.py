"""Use cases of relationships: link parents at birth, find children, follow a changed number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.relationships import repository
from svc_population.relationships.errors import NotRelated, RelationshipCycle
from svc_population.relationships.vocabulary import Relation, RelationshipEnd


@dataclass(frozen=True, slots=True)
class Parent:
    """A parent as the birth declaration names them; the number wins over the name."""

    relation: Relation
    personal_id: str | None
    name: str
    birth_year: int | None
    nationality: str


@dataclass(frozen=True, slots=True)
class Child:
    """A child of a person; `relationship_id` names the link without naming anybody."""

    relationship_id: UUID
    personal_id: str
    birth_date: date
    full_name: str
    life_status: str


async def link_parents(
    session: AsyncSession, personal_id: str, parents: Sequence[Parent], *, source: str
) -> None:
    """Record mother and father of a person who has none yet.

    Raises:
        RelationshipCycle: the person is an ancestor of a parent.
    """
    for parent in parents:
        if parent.personal_id is not None and await repository.is_ancestor(
            session, of=parent.personal_id, sought=personal_id
        ):
            raise RelationshipCycle
    if parents:
        repository.add(
            session,
            [
                {
                    "personal_id": personal_id,
                    "relation": p.relation.value,
                    "ordinal": 0,
                    "related_personal_id": p.personal_id,
                    "related_name": p.name,
                    "related_birth_year": p.birth_year,
                    "related_nationality": p.nationality,
                    "source": source,
                }
                for p in parents
            ],
        )


async def children_of(session: AsyncSession, personal_id: str) -> list[Child]:
    """Return the children of a person, eldest first."""
    return [
        Child(
            relationship_id=row.id,
            personal_id=row.personal_id,
            birth_date=row.birth_date,
            full_name=" ".join(p for p in (row.surname, row.middle_name, row.given_name) if p),
            life_status=row.life_status,
        )
        for row in await repository.children(session, personal_id)
    ]


async def renumber(session: AsyncSession, *, old: str, new: str) -> None:
    """Let every link that names a number name its successor."""
    await repository.renumber(session, old, new)


Kept = dict[str, list[dict[str, Any]]]
"""Whole rows by table, as they were."""


async def are_related(session: AsyncSession, one: str, other: str) -> bool:
    """Tell whether one of two people is recorded as a relative or an ancestor of the other.

    The answer holds until the transaction ends: changes of parents wait for it.
    """
    await repository.one_at_a_time(session)
    return (
        await repository.are_related(session, one, other)
        or await repository.is_ancestor(session, of=one, sought=other)
        or await repository.is_ancestor(session, of=other, sought=one)
    )


async def take_over(session: AsyncSession, *, old: str, new: str) -> Kept:
    """Give a merged person's relatives to the survivor; return the rows that named the former."""
    kept = await repository.touching(session, old)
    await repository.drop_doubles(session, old, new)
    await repository.renumber(session, old, new)
    return kept


async def put_back(session: AsyncSession, kept: Kept) -> None:
    """Undo a take-over: rows are as they were; later ones stay where they are."""
    for table, rows in kept.items():
        if rows:
            await repository.put_back(session, table, rows)


async def hand_over(
    session: AsyncSession, *, old: str, new: str, relations: Sequence[Relation], holders: Sequence[str]
) -> Kept:
    """Give some relatives of a person, and people who name them, to another; return the rows as they were.

    Raises:
        NotRelated: one of the people does not name the person.
    """
    kept = await repository.touching(session, old)
    await repository.move_own(session, old, new, [r.value for r in relations])
    if await repository.move_links(session, old, new, list(holders)) < len(set(holders)):
        raise NotRelated
    return kept


@dataclass(frozen=True, slots=True)
class Relative:
    """A relative as the book has them today or had them; `relation` is what they are to the person."""

    relationship_id: UUID
    relation: str
    personal_id: str | None
    name: str | None
    since: date | None
    ended_on: date | None
    end_cause: str | None
    source: str


_INVERSE = {"MOTHER": "CHILD", "FATHER": "CHILD", "GUARDIAN": "WARD", "SPOUSE": "SPOUSE"}


async def relatives_of(session: AsyncSession, number: str, *, former: bool = False) -> list[Relative]:
    """Return a person's relatives of today, children and wards among them, or the former ones."""
    return [
        Relative(
            relationship_id=row.id,
            relation=_INVERSE[row.relation] if row.inverse else row.relation,
            personal_id=row.other_personal_id,
            name=row.name,
            since=row.since,
            ended_on=row.ended_on,
            end_cause=row.end_cause,
            source=row.source,
        )
        for row in await repository.shown(session, number, former=former)
    ]


async def marriages_of(session: AsyncSession, numbers: Sequence[str]) -> dict[UUID, tuple[str, str | None]]:
    """Return the marriages in force of these people: the rows with whom each names."""
    rows = await repository.spouses(session, numbers)
    return {row.id: (row.personal_id, row.related_personal_id) for row in rows}


async def relate(
    session: AsyncSession,
    personal_id: str,
    parent: Parent,
    *,
    since: date | None,
    source: str,
    ordinal: int = 0,
) -> UUID | None:
    """Record a relative at once; None when the person has one of this kind.

    Raises:
        RelationshipCycle: a parent would be a descendant.
    """
    if parent.relation in {Relation.MOTHER, Relation.FATHER} and parent.personal_id is not None:
        # Births need no such turn: a newborn is nobody's ancestor.
        await repository.one_at_a_time(session)
        if await repository.is_ancestor(session, of=parent.personal_id, sought=personal_id):
            raise RelationshipCycle
    row = {
        "personal_id": personal_id,
        "relation": parent.relation.value,
        "ordinal": ordinal,
        "related_personal_id": parent.personal_id,
        "related_name": parent.name,
        "related_birth_year": parent.birth_year,
        "related_nationality": parent.nationality,
        "since": since,
        "source": source,
    }
    return await repository.add_now(session, row)


async def part(
    session: AsyncSession,
    ids: Sequence[UUID],
    *,
    ended_on: date | None,
    cause: RelationshipEnd,
    source: str,
) -> list[tuple[str, str, str | None]]:
    """End relationships; return of each whose it was, what, and with whom."""
    rows = await repository.end(session, ids, ended_on=ended_on, cause=cause.value, source=source)
    return [(row.personal_id, row.relation, row.related_personal_id) for row in rows]


async def resume_marriage(session: AsyncSession, relationship_id: UUID) -> None:
    """Let a marriage that a death ended go on as if it had not, with both."""
    await repository.resume_marriage(session, relationship_id)
