"""All SQL about households; members of today are read from the persons' rows."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.households.models import Household, HouseholdCounter, HouseholdMember
from svc_population.households.vocabulary import HouseholdState, MembershipEnd, RelationToHead

_MEMBERS = text(
    "SELECT personal_id, person_id, relation_to_head, birth_date, source, permanent_since, life_status,"
    " permanent_province_code, permanent_commune_code, permanent_address,"
    " concat_ws(' ', surname, middle_name, given_name) AS name"
    " FROM persons WHERE household_number = :number"
    " ORDER BY relation_to_head = 'HEAD' DESC NULLS LAST, birth_date, personal_id"
)


async def members(session: AsyncSession, number: str) -> Sequence[Row[Any]]:
    """Return who is in the household by their own rows, the head first."""
    return (await session.execute(_MEMBERS, {"number": number})).all()


async def household(session: AsyncSession, number: str, *, lock: bool = False) -> Household | None:
    statement = select(Household).where(Household.number == number)
    return await session.scalar(statement.with_for_update() if lock else statement)


async def make(session: AsyncSession, values: dict[str, Any]) -> None:
    """Make a household's row unless there is one."""
    await session.execute(insert(Household).values(**values).on_conflict_do_nothing())


async def alter(session: AsyncSession, number: str, values: dict[str, Any]) -> None:
    await session.execute(
        update(Household)
        .where(Household.number == number)
        .values(**values, version=Household.version + 1, recorded_at=text("clock_timestamp()")),
        execution_options={"synchronize_session": False},
    )


async def running(session: AsyncSession, number: str) -> Sequence[Row[UUID, date]]:
    """Return who has a running membership, and since when."""
    statement = select(HouseholdMember.person_id, HouseholdMember.since).where(
        HouseholdMember.household_number == number, HouseholdMember.ended_on.is_(None)
    )
    return (await session.execute(statement)).all()


async def heads_since(session: AsyncSession, person_id: UUID) -> date | None:
    """Return since when a person is the head of their household, by the book."""
    since: date | None = await session.scalar(
        select(HouseholdMember.since).where(
            HouseholdMember.person_id == person_id,
            HouseholdMember.ended_on.is_(None),
            HouseholdMember.relation_to_head == RelationToHead.HEAD,
        )
    )
    return since


async def left_by_death(session: AsyncSession, person_id: UUID) -> HouseholdMember | None:
    """Return the membership that a death ended, if none was ended later."""
    statement = select(HouseholdMember).where(
        HouseholdMember.person_id == person_id,
        HouseholdMember.ended_on.is_not(None),
        HouseholdMember.end_cause != MembershipEnd.CORRECTED,
    )
    last = await session.scalar(
        statement.order_by(HouseholdMember.ended_on.desc(), HouseholdMember.id.desc()).limit(1),
        execution_options={"populate_existing": True},
    )
    return last if last is not None and last.end_cause == MembershipEnd.DEATH else None


async def add_members(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        await session.execute(insert(HouseholdMember), list(rows))


async def end_membership(session: AsyncSession, person_id: UUID, *, day: date, cause: MembershipEnd) -> None:
    """End what runs for a person; a relation that began later than that day never was."""
    await session.execute(
        text(
            "UPDATE household_members SET ended_on = greatest(since, :day), end_cause = :cause"
            " WHERE person_id = :person AND ended_on IS NULL"
        ),
        {"person": person_id, "day": day, "cause": cause.value},
    )


async def former(session: AsyncSession, number: str) -> Sequence[HouseholdMember]:
    """Return memberships that ended, the newest first."""
    statement = select(HouseholdMember).where(
        HouseholdMember.household_number == number, HouseholdMember.ended_on.is_not(None)
    )
    statement = statement.order_by(HouseholdMember.ended_on.desc())
    return (await session.scalars(statement, execution_options={"populate_existing": True})).all()


async def household_of(session: AsyncSession, person_id: UUID) -> str | None:
    """Return the household in which a person has a running membership."""
    number: str | None = await session.scalar(
        select(HouseholdMember.household_number).where(
            HouseholdMember.person_id == person_id, HouseholdMember.ended_on.is_(None)
        )
    )
    return number


async def next_number(session: AsyncSession, commune_code: str, year: int) -> int:
    """Take a commune's next household number of a year."""
    statement = insert(HouseholdCounter).values(commune_code=commune_code, year=year, taken=1)
    number: int | None = await session.scalar(
        statement.on_conflict_do_update(
            index_elements=[HouseholdCounter.commune_code, HouseholdCounter.year],
            set_={"taken": HouseholdCounter.taken + 1},
        ).returning(HouseholdCounter.taken)
    )
    return number or 1


async def headless(
    session: AsyncSession, *, provinces: Sequence[str], communes: Sequence[str], after: str, limit: int
) -> Sequence[Household]:
    """Return households that wait for a head, within a scope (both empty: everywhere)."""
    statement = select(Household).where(
        Household.state == HouseholdState.HEAD_NEEDED.value, Household.number > after
    )
    if provinces or communes:
        statement = statement.where(
            Household.province_code.in_(provinces) | Household.commune_code.in_(communes)
        )
    return (await session.scalars(statement.order_by(Household.number).limit(limit))).all()


async def hand_over(
    session: AsyncSession, *, giver: UUID, taker: UUID, only: Sequence[UUID] | None = None
) -> Sequence[UUID]:
    """Let ended memberships of one record, all or some, be another one's; return which."""
    statement = update(HouseholdMember).where(
        HouseholdMember.person_id == giver,
        HouseholdMember.ended_on.is_not(None),
        HouseholdMember.end_cause != MembershipEnd.CORRECTED,
    )
    if only is not None:
        statement = statement.where(HouseholdMember.id.in_(only))
    done = await session.scalars(
        statement.values(person_id=taker)
        .returning(HouseholdMember.id)
        .execution_options(synchronize_session=False)
    )
    return done.all()


async def corrected_among(session: AsyncSession, ids: Sequence[UUID]) -> bool:
    """Tell whether a correction has replaced one of these memberships."""
    statement = select(HouseholdMember.id).where(
        HouseholdMember.id.in_(ids), HouseholdMember.end_cause == MembershipEnd.CORRECTED
    )
    return (await session.scalars(statement.limit(1))).first() is not None


async def memberships(
    session: AsyncSession, *, households: Sequence[str] = (), people: Sequence[UUID] = ()
) -> Sequence[HouseholdMember]:
    """Return what is on record of these households and of these people, without what was corrected."""
    concerned = HouseholdMember.household_number.in_(households) | HouseholdMember.person_id.in_(people)
    standing = HouseholdMember.end_cause.is_distinct_from(MembershipEnd.CORRECTED)
    statement = select(HouseholdMember).where(concerned, standing).order_by(HouseholdMember.id)
    return (await session.scalars(statement, execution_options={"populate_existing": True})).all()


async def supersede(session: AsyncSession, ids: Sequence[UUID], *, day: date) -> None:
    """Let memberships be what was believed until a correction; one that ran ends in the book."""
    await session.execute(
        update(HouseholdMember)
        .where(HouseholdMember.id.in_(ids))
        .values(
            ended_on=func.coalesce(HouseholdMember.ended_on, func.greatest(HouseholdMember.since, day)),
            end_cause=MembershipEnd.CORRECTED.value,
        ),
        execution_options={"synchronize_session": False},
    )
