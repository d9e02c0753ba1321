"""What the record that stands said later counts for all numbers that lead to it, and only while they do."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio
from ndx_chassis import former_numbers
from ndx_chassis.app import Runtime
from ndx_chassis.former_numbers import Merger
from ndx_chassis.told import Told, outweighed
from sqlalchemy.ext.asyncio import AsyncSession

pytestmark = pytest.mark.integration

FIRST, SECOND, THIRD = "079190000017", "079190000555", "079190000777"
ONE, TWO, THREE = uuid4(), uuid4(), uuid4()


@pytest_asyncio.fixture
async def session(runtime: Runtime) -> AsyncIterator[AsyncSession]:
    async with runtime.engine.begin() as connection:
        await connection.run_sync(former_numbers.table.metadata.create_all)
    async with runtime.sessions() as opened, opened.begin():
        yield opened


async def lead(session: AsyncSession, old: str, new: str, merger: Merger | None) -> None:
    await former_numbers.lead_on(session, old=old, new=new, merger=merger, kept={})


@pytest.mark.parametrize(("version", "past"), [(2, set()), (3, set()), (4, {FIRST})])
async def test_only_a_word_later_than_the_merger_outweighs(
    session: AsyncSession, version: int, past: set[str]
) -> None:
    await lead(session, FIRST, SECOND, Merger(TWO, 3))
    assert await outweighed(session, {FIRST: Told(ONE, 9), SECOND: Told(TWO, version)}) == past


async def test_a_word_of_one_on_the_way_counts_for_those_before_it(session: AsyncSession) -> None:
    await lead(session, FIRST, SECOND, Merger(TWO, 3))
    await lead(session, SECOND, THIRD, Merger(THREE, 3))
    words = {FIRST: Told(ONE, 2), SECOND: Told(TWO, 5)}
    assert await outweighed(session, words | {THIRD: None}) == {FIRST}
    assert await outweighed(session, words | {THIRD: Told(THREE, 4)}) == {FIRST, SECOND}


async def test_what_nobody_noted_which_word_it_is_is_older_than_a_merger(session: AsyncSession) -> None:
    await lead(session, FIRST, SECOND, Merger(TWO, 3))
    assert await outweighed(session, {FIRST: None, SECOND: Told(TWO, 4)}) == {FIRST}


async def test_a_cancelled_number_is_no_merged_one(session: AsyncSession) -> None:
    await lead(session, FIRST, SECOND, None)
    assert await outweighed(session, {FIRST: Told(ONE, 2), SECOND: Told(TWO, 4)}) == set()


async def test_a_number_that_is_its_own_again_has_its_own_word(session: AsyncSession) -> None:
    await lead(session, FIRST, SECOND, Merger(TWO, 3))
    await lead(session, SECOND, THIRD, Merger(THREE, 3))
    await former_numbers.part(session, number=FIRST, merger=Merger(TWO, 4))
    words = {FIRST: Told(ONE, 2), SECOND: Told(TWO, 5), THIRD: Told(THREE, 4)}
    assert await outweighed(session, words) == {SECOND}
