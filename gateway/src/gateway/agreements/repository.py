"""All SQL about agreements."""

from collections.abc import Collection, Sequence
from datetime import date

from ndx_contracts.agreements import AgreementState
from sqlalchemy import ColumnElement, Row, Text, and_, func, literal_column, or_, select, text, tuple_
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from gateway.agreements.models import OPEN, STANDING, AgreementDecision, AgreementRow

_STANDING = sorted(STANDING)


async def lock(session: AsyncSession, agreement_id: str, *, wait: bool = True) -> bool:
    """Hold the agreement until the transaction ends; False when it is unknown or, unless we wait, held."""
    first = (
        select(AgreementRow.version)
        .where(AgreementRow.agreement_id == agreement_id)
        .order_by(AgreementRow.version)
        .limit(1)
        .with_for_update(skip_locked=not wait)
    )
    return (await session.scalars(first)).first() is not None


async def versions(session: AsyncSession, agreement_id: str) -> Sequence[AgreementRow]:
    """Return all versions, oldest first, as they are now."""
    statement = select(AgreementRow).where(AgreementRow.agreement_id == agreement_id)
    fresh = statement.order_by(AgreementRow.version).execution_options(populate_existing=True)
    return (await session.scalars(fresh)).all()


async def next_number(session: AsyncSession, consumer: str) -> int:
    """Return the consumer's next number; held until the transaction ends, so that none is given twice."""
    key = {"key": f"agreement-number:{consumer}"}
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), key)
    mine = AgreementRow.agreement_id.startswith(f"DSA-{consumer}-", autoescape=True)
    count = await session.scalar(select(func.count(AgreementRow.agreement_id.distinct())).where(mine))
    return int(count or 0) + 1


async def in_states(
    session: AsyncSession, states: Collection[AgreementState], consumer: ColumnElement[bool] | None = None
) -> Sequence[AgreementRow]:
    statement = select(AgreementRow).where(AgreementRow.state.in_(sorted(states)))
    if consumer is not None:
        statement = statement.where(consumer)
    return (await session.scalars(statement.order_by(AgreementRow.agreement_id))).all()


async def standing_ids(session: AsyncSession, ids: Collection[str]) -> set[str]:
    """Return those of the agreements that are active or suspended."""
    mine = AgreementRow.agreement_id.in_(ids) & AgreementRow.state.in_(_STANDING)
    return set((await session.scalars(select(AgreementRow.agreement_id).where(mine))).all())


async def live_of(session: AsyncSession, agency: str) -> set[str]:
    """Return the agreements with a part that is open or stands, of which an agency is a party."""
    party = or_(AgreementRow.consumer_agency == agency, AgreementRow.provider_agency == agency)
    live = AgreementRow.state.in_(sorted(OPEN | STANDING))
    return set((await session.scalars(select(AgreementRow.agreement_id).where(party & live))).all())


def consumed_by(agency: str, agency_class: str) -> ColumnElement[bool]:
    """Return the condition: the agreement names the agency or binds its class."""
    return or_(AgreementRow.consumer_agency == agency, AgreementRow.consumer_class == agency_class)


async def page(
    session: AsyncSession,
    *,
    state: AgreementState | None,
    consumer: str | None,
    consumer_class: str | None,
    after: str,
    limit: int,
) -> Sequence[AgreementRow]:
    """Return versions in a state; without one, each agreement's standing version or else its newest."""
    statement = select(AgreementRow).where(AgreementRow.agreement_id > after)
    if state is not None:
        statement = statement.where(AgreementRow.state == state.value)
    statement = statement.ext(distinct_on(AgreementRow.agreement_id)).order_by(
        AgreementRow.agreement_id, AgreementRow.state.in_(_STANDING).desc(), AgreementRow.version.desc()
    )
    if consumer is not None:
        statement = statement.where(AgreementRow.consumer_agency == consumer)
    if consumer_class is not None:
        statement = statement.where(AgreementRow.consumer_class == consumer_class)
    return (await session.scalars(statement.limit(limit))).all()


def _enforced(ended_since: date) -> ColumnElement[bool]:
    """Return the condition: it stands, or it expired on or after a day and no later version has followed."""
    later = aliased(AgreementRow)
    followed = select(later.version).where(
        and_(later.agreement_id == AgreementRow.agreement_id, later.state.in_([*_STANDING, "TERMINATED"]))
    )
    ended = and_(
        AgreementRow.state == AgreementState.EXPIRED.value,
        AgreementRow.valid_to >= ended_since,
        ~followed.exists(),
    )
    return or_(AgreementRow.state.in_(_STANDING), ended)


async def enforced(
    session: AsyncSession, ended_since: date, agreement_id: str | None = None
) -> Sequence[Row[str, int, str]]:
    """Return id and version of what the data plane must know, each with a mark that changes with the row."""
    mark = literal_column(f"{AgreementRow.__tablename__}.xmin::text", Text)
    statement = select(AgreementRow.agreement_id, AgreementRow.version, mark).where(_enforced(ended_since))
    if agreement_id is not None:
        statement = statement.where(AgreementRow.agreement_id == agreement_id)
    return (await session.execute(statement)).all()


async def enforced_on(
    session: AsyncSession, ended_since: date, consumer: ColumnElement[bool]
) -> Sequence[AgreementRow]:
    """Return what the data plane must know of one consumer's agreements."""
    statement = select(AgreementRow).where(_enforced(ended_since), consumer)
    return (await session.scalars(statement.order_by(AgreementRow.agreement_id))).all()


async def named_versions(session: AsyncSession, keys: Collection[tuple[str, int]]) -> Sequence[AgreementRow]:
    place = tuple_(AgreementRow.agreement_id, AgreementRow.version)
    return (await session.scalars(select(AgreementRow).where(place.in_(keys)))).all()


async def due(session: AsyncSession, today: date) -> Sequence[str]:
    """Return the ids of agreements for which the calendar has something to do."""
    begins = and_(AgreementRow.state == AgreementState.APPROVED.value, AgreementRow.valid_from <= today)
    ends = and_(AgreementRow.state.in_(_STANDING), AgreementRow.valid_to < today)
    statement = select(AgreementRow.agreement_id).where(or_(begins, ends)).distinct()
    return (await session.scalars(statement.order_by(AgreementRow.agreement_id))).all()


async def drafters(session: AsyncSession, agreement_id: str, after_version: int) -> set[str]:
    """Return everybody who wrote terms after a version."""
    statement = select(AgreementDecision.decided_by).where(
        (AgreementDecision.agreement_id == agreement_id)
        & (AgreementDecision.version > after_version)
        & AgreementDecision.action.in_(("draft", "change", "amend"))
    )
    return set((await session.scalars(statement)).all())


async def history(session: AsyncSession, agreement_id: str) -> Sequence[AgreementDecision]:
    statement = (
        select(AgreementDecision)
        .where(AgreementDecision.agreement_id == agreement_id)
        .order_by(AgreementDecision.id)
    )
    return (await session.scalars(statement)).all()
