"""Searches and counts read from a hot standby, a real one: the records go to the primary."""

import asyncio
from datetime import date

import asyncpg
import pytest
import pytest_asyncio
from ndx_contracts.field_groups import FieldGroup
from ndx_testing.envoy import free_ports
from ndx_testing.postgres import named, running_copy
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

HOA, LAN = "079190000011", "079190000012"
NAMED = {"surname": "Trần", "middle_name": "Thị", "given_name": "Hoà", "birth_date": date(1990, 5, 17)}
SEARCH = "/population/v1/persons/search"
COUNTS = "/population/v1/statistics/population"


@pytest.fixture(scope="module")
def copy_url(postgres_url, database_templates, request):
    """Copy the whole server, for the tests of this file."""
    with running_copy(postgres_url) as url:
        yield url


@pytest.fixture(params=[10_000.0])
def late_seconds(request):
    return request.param


@pytest.fixture
def service_settings(service_settings, database_url, copy_url, late_seconds):
    own = named(copy_url, database_url.rsplit("/", 1)[1])
    return service_settings | {"reading_database_url": own, "reading_late_seconds": late_seconds}


@pytest_asyncio.fixture
async def copy(copy_url, service_settings):
    """Give the administrator's connection to the copy; it goes on replaying after the test."""
    url = service_settings["reading_database_url"]
    server = await asyncpg.connect(copy_url)
    await once(server, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", url.rsplit("/", 1)[1])
    await server.close()
    connection = await asyncpg.connect(url)
    yield connection
    await connection.execute("SELECT pg_wal_replay_resume()")
    await connection.close()


async def once(connection, question, *values):
    """Wait until PostgreSQL says yes."""
    async with asyncio.timeout(60):
        while not await connection.fetchval(question, *values):
            await connection.execute("SELECT pg_sleep(0.02)")


@pytest.fixture
def searched(client, agree, as_agency):
    async def search():
        agree(
            "G01",
            {
                "population.search_persons": [
                    FieldGroup.PERSONAL_ID,
                    FieldGroup.BIRTH_NAME,
                    FieldGroup.BIRTH_DATE,
                ]
            },
            purposes=["RESIDENCE_MANAGEMENT"],
        )
        reply = await client.post(
            SEARCH,
            json={"name": "Trần Thị Hoà", "birth_date": "1990-05-17", "fields": ["personal_id"]},
            headers=as_agency("G01", purpose="RESIDENCE_MANAGEMENT"),
        )
        assert reply.status_code == 200, reply.text
        return [item["person"]["personal_id"] for item in reply.json()["items"]]

    return search


@pytest_asyncio.fixture
async def behind(add_person, copy):
    """Let the copy know one person, and the primary another of the same name."""
    await add_person(HOA, **NAMED)
    await once(copy, "SELECT EXISTS (SELECT FROM persons WHERE personal_id = $1)", HOA)
    await copy.execute("SELECT pg_wal_replay_pause()")
    await once(copy, "SELECT pg_get_wal_replay_pause_state() = 'paused'")
    await add_person(LAN, **NAMED)


class TestCopies:
    async def test_a_search_reads_the_copy_and_is_recorded_at_the_primary(self, searched, behind, disclosed):
        assert await searched() == [HOA]
        (record,) = await disclosed()
        assert (record["subjects"], record["outcome"]) == ([HOA], "DISCLOSED")

    async def test_counts_come_from_the_copy(self, client, behind, agree, as_agency, add_person):
        for last in range(100, 140):
            await add_person(f"079190000{last}")
        agree("G01", {"population.get_population_counts": []}, purposes=["STATISTICS"])
        reply = await client.get(COUNTS, headers=as_agency("G01", purpose="STATISTICS"))
        assert reply.status_code == 200, reply.text
        # The copy knows one person, which is too few to be told; the primary knows 42.
        assert [item["total"] for item in reply.json()["items"] if item["code"] == "79"] in ([], [None])

    async def test_nothing_can_be_written_at_the_copy(self, runtime, behind):
        async with await runtime.copies.session() as own:
            with pytest.raises(DBAPIError, match="read-only"):
                await own.execute(text("DELETE FROM persons"))

    @pytest.mark.parametrize("late_seconds", [0.01], indirect=True)
    async def test_a_copy_that_is_too_late_is_not_asked(self, searched, behind):
        assert await searched() == [HOA, LAN]


class TestCopiesAway:
    @pytest.fixture
    def service_settings(self, service_settings):
        (port,) = free_ports(1)
        nobody = f"postgresql://postgres:x@127.0.0.1:{port}/none"
        return service_settings | {"reading_database_url": nobody}

    async def test_the_primary_answers_meanwhile(self, searched, add_person, capsys, runtime, monkeypatch):
        monkeypatch.setattr(type(runtime.copies), "REST_SECONDS", 3600.0)
        await add_person(HOA, **NAMED)
        assert await searched() == [HOA]
        assert await searched() == [HOA]
        # The second request did not try again.
        assert capsys.readouterr().out.count("reading_copy_away") == 1
