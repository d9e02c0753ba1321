"""What a death closes and opens is locked in the order of everybody else: nobody waits in a circle."""

import asyncio
from datetime import date

import asyncpg
import pytest
from ndx_contracts.events import PersonDeathCancelled, PersonDeceased
from sqlalchemy import text

pytestmark = pytest.mark.integration

MOTHER, HUSBAND = "079190000011", "079090000012"
DIED = date(2026, 6, 1)
A_HOUSEHOLD = "SELECT FROM households WHERE number = 'H-1' FOR UPDATE"
A_PERSON = "SELECT FROM persons WHERE personal_id = $1 FOR UPDATE"


@pytest.fixture
async def officer(database_url):
    """Whoever changes something at the same moment: a connection of its own, in a transaction."""
    connection = await asyncpg.connect(database_url)
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield connection
    finally:
        await transaction.rollback()
        await connection.close()


@pytest.fixture
async def waiting(database_url):
    """Return once somebody waits for a lock."""
    watching = await asyncpg.connect(database_url)

    async def until():
        async with asyncio.timeout(30):
            while not await watching.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                await watching.execute("SELECT pg_sleep(0.02)")

    yield until
    await watching.close()


@pytest.fixture
def tell(session, deliver):
    """Tell once of the wife's death, or of its end."""

    async def go(kind, **options):
        read = "SELECT person_id, version FROM persons WHERE personal_id = :n"
        person, version = (await session.execute(text(read), {"n": MOTHER})).one()
        await session.rollback()
        event = kind(person_id=person, personal_id=MOTHER, version=version, died_on=DIED)
        await deliver(event, **options)

    return go


@pytest.fixture
def status(session):
    """Let the wife be alive or dead by her own row, and return the husband's marital status."""

    async def write(life=None):
        if life is not None:
            day = DIED if life == "DECEASED" else None
            await session.execute(
                text(
                    "UPDATE persons SET life_status = :life, death_or_missing_date = :day,"
                    " version = version + 1 WHERE personal_id = :n"
                ),
                {"life": life, "day": day, "n": MOTHER},
            )
            await session.commit()
        read = "SELECT marital_status FROM persons WHERE personal_id = :n"
        found = await session.scalar(text(read), {"n": HUSBAND})
        await session.rollback()
        return found

    return write


async def both_go_on(officer, waiting, telling, first, *arguments):
    """Let an officer lock one thing, and then the wife's row while the consumer waits for the first."""
    await officer.execute(first, *arguments)
    told = asyncio.create_task(telling)
    await waiting()
    try:
        await officer.execute(f"{A_PERSON} NOWAIT", MOTHER)
    finally:
        await officer.execute("ROLLBACK")
        await told


@pytest.mark.parametrize(("first", "arguments"), [(A_HOUSEHOLD, []), (A_PERSON, [HUSBAND])])
async def test_an_end_of_a_death_waits_beside_an_officer(
    family, tell, status, officer, waiting, first, arguments
):
    await family()
    await status("DECEASED")
    await tell(PersonDeceased)
    assert await status("ALIVE") == "WIDOWED"
    await both_go_on(officer, waiting, tell(PersonDeathCancelled, times=1), first, *arguments)
    assert await status() == "MARRIED"


async def test_a_death_waits_beside_an_officer(family, tell, status, officer, waiting, session):
    await family()
    # Husband and wife live in two households.
    leave = "UPDATE persons SET household_number = NULL, relation_to_head = NULL WHERE personal_id = :n"
    await session.execute(text(leave), {"n": HUSBAND})
    await session.commit()
    await status("DECEASED")
    await both_go_on(officer, waiting, tell(PersonDeceased, times=1), A_PERSON, HUSBAND)
    assert await status() == "WIDOWED"
