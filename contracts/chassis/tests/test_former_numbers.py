"""A number leads to another one and is its own again, in whatever order and how often the events come."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from ndx_chassis import former_numbers
from ndx_chassis.app import Runtime
from ndx_chassis.former_numbers import Merger
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = "079190000017", "079190000555", "079190000777"
RECORD = uuid4()


@pytest_asyncio.fixture
async def session(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    async with runtime.engine.begin() as connection:
        await connection.run_sync(former_numbers.table.metadata.create_all)
    async with runtime.sessions() as opened, opened.begin():
        yield opened


async def merge(
    session: AsyncSession, old: str, new: str, version: int | None, record: UUID = RECORD
) -> bool:
    merger = None if version is None else Merger(record, version)
    target = await former_numbers.to_follow(session, old=old, new=new, merger=merger)
    if target is None:
        return False
    await former_numbers.lead_on(session, old=old, new=target, merger=merger, kept={"mine": 1})
    return True


async def part(session: AsyncSession, number: str, version: int, record: UUID = RECORD) -> bool:
    return await former_numbers.part(session, number=number, merger=Merger(record, version)) is not None


class TestOrder:
    async def test_an_end_told_before_its_merger_leaves_the_number_its_own(
        self, session: AsyncSession
    ) -> None:
        assert not await part(session, FIRST, 3)
        assert not await merge(session, FIRST, SECOND, 2)
        assert await former_numbers.current(session, FIRST) == FIRST

    async def test_a_merger_told_again_after_its_end_changes_nothing(self, session: AsyncSession) -> None:
        assert await merge(session, FIRST, SECOND, 2)
        assert not await merge(session, FIRST, SECOND, 2)
        assert await part(session, FIRST, 3)
        assert not await part(session, FIRST, 3)
        assert not await merge(session, FIRST, SECOND, 2)
        assert await former_numbers.current(session, FIRST) == FIRST

    async def test_an_older_end_told_late_does_not_undo_the_newer_merger(self, session: AsyncSession) -> None:
        await merge(session, FIRST, SECOND, 2)
        await merge(session, FIRST, SECOND, 4)
        assert not await part(session, FIRST, 3)
        assert await former_numbers.current(session, FIRST) == SECOND
        assert await part(session, FIRST, 5)

    async def test_records_are_merged_again_after_an_end(self, session: AsyncSession) -> None:
        await merge(session, FIRST, SECOND, 2)
        await part(session, FIRST, 3)
        assert await merge(session, FIRST, SECOND, 4)
        assert await former_numbers.current(session, FIRST) == SECOND

    async def test_another_record_has_versions_of_its_own(self, session: AsyncSession) -> None:
        await part(session, FIRST, 9)
        assert await merge(session, FIRST, THIRD, 2, uuid4())


class TestChains:
    async def test_a_number_leads_to_the_last_one_and_back_to_the_one_before(
        self, session: AsyncSession
    ) -> None:
        await merge(session, FIRST, SECOND, 2)
        await merge(session, SECOND, THIRD, 2, other := uuid4())
        assert await former_numbers.today(session, [FIRST, SECOND, THIRD]) == dict.fromkeys(
            (FIRST, SECOND, THIRD), THIRD
        )
        assert await part(session, SECOND, 3, other)
        assert await former_numbers.today(session, [FIRST, SECOND]) == {FIRST: SECOND, SECOND: SECOND}

    async def test_a_number_that_came_back_by_itself_is_not_taken_along(self, session: AsyncSession) -> None:
        await merge(session, FIRST, SECOND, 2)
        await merge(session, SECOND, THIRD, 2, other := uuid4())
        assert await part(session, FIRST, 3)
        assert await part(session, SECOND, 3, other)
        assert await former_numbers.current(session, FIRST) == FIRST

    async def test_a_number_told_after_the_next_merger_comes_back_to_the_one_before(
        self, session: AsyncSession
    ) -> None:
        await merge(session, SECOND, THIRD, 2, other := uuid4())
        await merge(session, FIRST, SECOND, 2)
        assert await former_numbers.current(session, FIRST) == THIRD
        end = Merger(other, 3)
        (late,) = await former_numbers.told_late(session, number=SECOND, merger=end)
        assert (late.number, late.into, late.merger) == (FIRST, SECOND, Merger(RECORD, 2))
        assert await former_numbers.part(session, number=FIRST, merger=None) is not None
        assert await part(session, SECOND, 3, other)
        assert await merge(session, FIRST, SECOND, 2)
        assert await former_numbers.today(session, [FIRST, SECOND]) == {FIRST: SECOND, SECOND: SECOND}
        assert await former_numbers.told_late(session, number=SECOND, merger=end) == []

    async def test_what_came_to_a_number_by_another_way_is_not_taken_from_it(
        self, session: AsyncSession
    ) -> None:
        await merge(session, SECOND, THIRD, 2, other := uuid4())
        await merge(session, FIRST, SECOND, 2)
        await part(session, FIRST, 3)
        await merge(session, FIRST, THIRD, 4, other)
        assert await former_numbers.told_late(session, number=SECOND, merger=Merger(other, 5)) == []

    async def test_two_numbers_never_lead_in_a_circle(self, session: AsyncSession) -> None:
        await merge(session, FIRST, SECOND, 2)
        assert not await merge(session, SECOND, FIRST, 2, uuid4())

    async def test_a_number_that_was_parted_can_be_taken_by_another_one_and_by_a_new_one(
        self, session: AsyncSession
    ) -> None:
        await merge(session, FIRST, SECOND, 2)
        await part(session, FIRST, 3)
        assert await merge(session, SECOND, FIRST, 2, uuid4())
        assert await former_numbers.current(session, SECOND) == FIRST
        assert await merge(session, FIRST, THIRD, None)
        assert await former_numbers.current(session, SECOND) == THIRD


class TestCancelledNumbers:
    async def test_it_never_comes_back(self, session: AsyncSession) -> None:
        await merge(session, FIRST, SECOND, None)
        assert not await part(session, FIRST, 9)
        assert await former_numbers.current(session, FIRST) == SECOND


class TestKept:
    async def test_what_followed_is_told_when_the_merger_ends(self, session: AsyncSession) -> None:
        await merge(session, FIRST, SECOND, 2)
        await former_numbers.keep(session, FIRST, {"more": ["a"]})
        former = await former_numbers.part(session, number=FIRST, merger=Merger(RECORD, 3))
        assert former is not None
        assert (former.superseded_by, former.kept["mine"], former.kept["more"]) == (SECOND, 1, ["a"])

    async def test_rows_of_before_know_no_version_and_end_as_they_did(self, session: AsyncSession) -> None:
        row = {"personal_id": FIRST, "superseded_by": SECOND, "merged": True, "kept": {"led": [THIRD]}}
        await session.execute(insert(former_numbers.table).values(**row))
        await session.execute(insert(former_numbers.table).values(**(row | {"personal_id": THIRD})))
        assert await part(session, FIRST, 3)
        leads = select(former_numbers.table.c.superseded_by).where(
            former_numbers.table.c.personal_id == THIRD
        )
        assert await session.scalar(leads) == FIRST
