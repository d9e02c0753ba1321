"""A row that is locked is what the database holds then, whatever the session has seen before."""

from sqlalchemy import text
from svc_population.persons import service

HOA = "079190000011"


async def test_a_lock_after_a_read_shows_what_changed_in_between(runtime, add_person):
    await add_person(HOA)
    async with runtime.sessions() as session, session.begin():
        seen = await service.find(session, HOA)
        assert seen is not None
        assert seen.household_number is None
        async with runtime.sessions() as other, other.begin():
            await other.execute(text("UPDATE persons SET version = 7, household_number = 'TN1'"))
        locked = await service.find(session, HOA, lock=True)
        assert locked is not None
        assert (locked.version, locked.household_number) == (7, "TN1")
