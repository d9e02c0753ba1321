"""A death taken back: the person is who they were, with the history of both, in whatever order it is told."""

import asyncio
from datetime import UTC, date, datetime

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import DeathCancelled, DeathRegistered, PersonDeathCancelled, PersonDeceased
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text

MOTHER, HUSBAND, SON = "079190000011", "079090000012", "079210000013"
DIED = date(2026, 6, 1)
LIFE = "persons WHERE life_status"


def death(number=MOTHER, on=DIED, death_id=None):
    return DeathRegistered(
        death_id=death_id or new_id(),
        personal_id=number,
        died_on=on,
        registered_at=datetime(2026, 6, 2, tzinfo=UTC),
        office="X26740",
    )


def cancelled(of, *, alive=True):
    return DeathCancelled(
        death_id=of.death_id,
        personal_id=of.personal_id,
        died_on=of.died_on,
        cause="PERSON_ALIVE" if alive else "WRONG_PERSON",
        found_alive=alive,
        cancelled_at=datetime(2026, 9, 2, tzinfo=UTC),
        office=of.office,
    )


@pytest.fixture
def life(session):
    async def read(number=MOTHER):
        row = await session.execute(
            text("SELECT life_status, death_or_missing_date, version FROM persons WHERE personal_id = :n"),
            {"n": number},
        )
        await session.rollback()
        return tuple(row.one())

    return read


@pytest.fixture
def told(emitted):
    """Return the types of what was announced, with the versions."""

    async def read():
        return [(e["type"].split(".")[1], e["data"]["version"]) for e in await emitted()]

    return read


class TestCancelledDeath:
    async def test_the_person_lives_and_the_history_keeps_both(
        self, deliver, add_person, emitted, life, client, agree, as_agency, session
    ):
        await add_person(MOTHER)
        registered = death()
        await deliver(registered)
        await deliver(cancelled(registered))
        assert await life() == ("ALIVE", None, 3)
        first, second = await emitted()
        assert (first["type"], second["type"]) == (
            "population.person-deceased.v1",
            "population.person-death-cancelled.v1",
        )
        assert (second["data"]["version"], second["data"]["died_on"]) == (3, "2026-06-01")
        row = (
            await session.execute(
                text(
                    "SELECT before, valid_from, kind, source, source_agency, document"
                    " FROM person_history WHERE version = 3"
                )
            )
        ).one()
        assert row.before["life_status"] == "DECEASED"
        assert (row.valid_from, row.kind, row.source_agency) == (DIED, "CORRECTION", "X26740")
        assert row.source == f"X26740:death-cancelled:{registered.death_id}"
        assert row.document["kind"] == "PERSON_ALIVE"
        known_dead, known_alive = await self._as_of(session, client, agree, as_agency)
        assert known_dead == {"status": "DECEASED", "date": "2026-06-01"}
        assert known_alive is None

    @staticmethod
    async def _as_of(session, client, agree, as_agency):
        """Return what is known of 1 July: before the death was taken back, and now."""
        moment = await session.scalar(text("SELECT recorded_at FROM person_history WHERE version = 2"))
        await session.rollback()
        groups = {"population.get_person_as_of": [FieldGroup.DEATH_OR_MISSING_DATE]}
        agree("G05", groups, purposes=["STATISTICS"])
        answers = []
        for known in (moment, datetime.now(UTC)):
            when = {"valid_at": "2026-07-01", "known_at": known.isoformat()}
            reply = await client.get(
                f"/population/v1/persons/{MOTHER}/as-of",
                params={"fields": "death_or_missing_date", **when},
                headers=as_agency("G05", purpose="STATISTICS"),
            )
            assert reply.status_code == 200, reply.text
            answers.append(reply.json()["person"]["death_or_missing_date"])
        return answers

    async def test_heard_of_before_the_death_nobody_dies(self, deliver, add_person, life, told):
        await add_person(MOTHER)
        registered = death()
        await deliver(cancelled(registered))
        await deliver(registered)
        assert await life() == ("ALIVE", None, 1)
        assert await told() == []

    async def test_whoever_dies_later_is_dead(self, deliver, add_person, life, told):
        await add_person(MOTHER)
        registered, later = death(), death(on=date(2026, 11, 1))
        await deliver(registered)
        await deliver(cancelled(registered))
        await deliver(later)
        # What is told once more, long after, changes nothing.
        await deliver(registered)
        await deliver(cancelled(registered))
        assert await life() == ("DECEASED", date(2026, 11, 1), 4)
        assert await told() == [("person-deceased", 2), ("person-death-cancelled", 3), ("person-deceased", 4)]

    async def test_another_registered_death_stands(self, deliver, add_person, life, told):
        await add_person(MOTHER)
        first, second = death(), death(on=date(2026, 6, 3))
        await deliver(first)
        await deliver(second)
        await deliver(cancelled(first, alive=False))
        assert await life() == ("DECEASED", date(2026, 6, 3), 4)
        assert [name for name, _ in await told()] == [
            "person-deceased",
            "person-death-cancelled",
            "person-deceased",
        ]
        await deliver(cancelled(second, alive=False))
        assert (await life())[0] == "ALIVE"

    async def test_the_second_entry_of_one_death_goes_without_a_trace_in_the_record(
        self, deliver, add_person, life
    ):
        await add_person(MOTHER)
        first, second = death(), death()
        await deliver(first)
        await deliver(second)
        await deliver(cancelled(second, alive=False))
        assert await life() == ("DECEASED", DIED, 2)

    @pytest.mark.parametrize(
        ("before", "alive", "after"),
        [
            ("MISSING", False, ("MISSING", date(2024, 1, 1))),
            ("MISSING", True, ("ALIVE", None)),
            ("DECLARED_DEAD", False, ("DECLARED_DEAD", date(2024, 1, 1))),
            ("DECLARED_DEAD", True, ("ALIVE", None)),
        ],
    )
    async def test_who_was_missing_is_so_again_unless_found(
        self, deliver, add_person, life, before, alive, after
    ):
        await add_person(MOTHER, life_status=before, death_or_missing_date=date(2024, 1, 1))
        registered = death()
        await deliver(registered)
        await deliver(cancelled(registered, alive=alive))
        assert (await life())[:2] == after

    async def test_a_death_that_an_import_brought_ends_only_for_who_was_found(
        self, deliver, add_person, life
    ):
        await add_person(MOTHER, life_status="DECEASED", death_or_missing_date=date(2024, 1, 1))
        registered = death()
        await deliver(registered)
        await deliver(cancelled(registered, alive=False))
        assert await life() == ("DECEASED", date(2024, 1, 1), 1)
        another = death()
        await deliver(another)
        await deliver(cancelled(another))
        assert await life() == ("ALIVE", None, 2)

    async def test_death_and_cancellation_at_one_instant_leave_nothing_half_done(
        self, deliver, add_person, life, told
    ):
        await add_person(MOTHER)
        registered = death()
        await asyncio.gather(deliver(registered), deliver(cancelled(registered)))
        status, day, _ = await life()
        assert (status, day) == ("ALIVE", None)
        assert [name for name, _ in await told()] in (
            [],
            ["person-deceased", "person-death-cancelled"],
        )


@pytest.fixture
def row(session, add_person):
    async def read(table, columns, where="true", **values):
        found = await session.execute(text(f"SELECT {columns} FROM {table} WHERE {where}"), values)  # noqa: S608
        rows = [tuple(r) for r in found]
        await session.rollback()
        return rows

    return read


class TestWhatHungOnTheDeath:
    @pytest.fixture
    def relay(self, emitted, deliver):
        """Hand what was announced of deaths to the consumers of the same service, in its order."""
        done = 0

        async def go():
            nonlocal done
            every = await emitted()
            fresh, done = every[done:], len(every)
            for event in fresh:
                kind = {
                    "population.person-deceased.v1": PersonDeceased,
                    "population.person-death-cancelled.v1": PersonDeathCancelled,
                }.get(event["type"])
                if kind is not None:
                    await deliver(kind(**event["data"]))

        return go

    async def test_residence_household_and_marriage_are_as_before(self, deliver, family, relay, row, life):
        await family()
        registered = death()
        await deliver(registered)
        await relay()
        assert await row("residences", "state") == [("ENDED",)]
        assert await row("persons", "household_number", "personal_id = :n", n=MOTHER) == [(None,)]
        assert await row("households", "state") == [("HEAD_NEEDED",)]
        assert await row("persons", "marital_status", "personal_id = :n", n=HUSBAND) == [("WIDOWED",)]
        await deliver(cancelled(registered))
        await relay()
        assert await row("residences", "state, valid_to, end_cause") == [("REGISTERED", None, None)]
        place = await row("persons", "household_number, relation_to_head", "personal_id = :n", n=MOTHER)
        assert place == [("H-1", "HEAD")]
        assert await row("households", "state") == [("ACTIVE",)]
        for number in (MOTHER, HUSBAND):
            assert await row("persons", "marital_status", "personal_id = :n", n=number) == [("MARRIED",)]
        assert len(await row("relationships", "id")) == 2
        assert await row("relationship_history", "id") == []
        assert await row("audit_entries", "action", "action = 'residence_resumed'") != []

    async def test_a_household_with_another_head_waits_for_an_officer(
        self, deliver, family, relay, row, session
    ):
        await family()
        await session.execute(
            text(
                "UPDATE persons SET household_number = NULL, relation_to_head = NULL WHERE personal_id = :son"
            ),
            {"son": SON},
        )
        await session.commit()
        registered = death()
        await deliver(registered)
        await relay()
        assert await row("persons", "relation_to_head", "personal_id = :n", n=HUSBAND) == [("HEAD",)]
        await deliver(cancelled(registered))
        await relay()
        assert await row("persons", "household_number", "personal_id = :n", n=MOTHER) == [(None,)]
        assert len(await row("audit_entries", "id", "action = 'household_not_rejoined'")) == 1

    async def test_who_married_again_stays_married_to_the_other(
        self, deliver, family, relay, row, session, add_person
    ):
        await family()
        registered = death()
        await deliver(registered)
        await relay()
        await session.execute(
            text(
                "INSERT INTO relationships (personal_id, relation, related_name, source, since)"
                " VALUES (:husband, 'SPOUSE', 'Trần Thị B', 't', '2026-08-01')"
            ),
            {"husband": HUSBAND},
        )
        await session.commit()
        await deliver(cancelled(registered))
        await relay()
        assert await row("relationships", "related_name", "relation = 'SPOUSE'") == [("Trần Thị B",)]
        assert len(await row("relationship_history", "id")) == 2

    @pytest.mark.parametrize("since", ["2026-08-01", None])
    async def test_who_married_again_and_is_alone_by_now_is_not_married_to_the_first(
        self, deliver, family, relay, row, session, since
    ):
        await family()
        registered = death()
        await deliver(registered)
        await relay()
        await session.execute(
            text(
                "INSERT INTO relationship_history (id, personal_id, relation, related_name, source,"
                " recorded_at, since, ended_on, end_cause, end_source) VALUES (uuidv7(), :husband, 'SPOUSE',"
                " 'Trần Thị B', 't', now(), CAST(:since AS date), '2026-09-01', 'DIVORCE', 't')"
            ),
            {"husband": HUSBAND, "since": None if since is None else date.fromisoformat(since)},
        )
        await session.commit()
        await deliver(cancelled(registered))
        await relay()
        assert await row("relationships", "id") == []
        assert len(await row("audit_entries", "id", "action = 'marriage_not_restored'")) == 1

    async def test_a_marriage_goes_on_though_the_day_of_the_death_was_corrected_in_between(
        self, deliver, family, relay, row, session
    ):
        await family()
        registered = death()
        await deliver(registered)
        await relay()
        # A marriage of before is none of since.
        await session.execute(
            text(
                "INSERT INTO relationship_history (id, personal_id, relation, related_name, source,"
                " recorded_at, since, ended_on, end_cause, end_source) VALUES (uuidv7(), :husband, 'SPOUSE',"
                " 'Trần Thị B', 't', now(), NULL, '2012-09-01', 'DIVORCE', 't')"
            ),
            {"husband": HUSBAND},
        )
        await session.execute(
            text("UPDATE persons SET death_or_missing_date = '2026-05-30' WHERE personal_id = :n"),
            {"n": MOTHER},
        )
        await session.commit()
        await deliver(cancelled(registered))
        await relay()
        assert len(await row("relationships", "id")) == 2
        for number in (MOTHER, HUSBAND):
            assert await row("persons", "marital_status", "personal_id = :n", n=number) == [("MARRIED",)]

    async def test_a_death_told_after_its_end_closes_nothing(self, deliver, family, row, life, emitted):
        await family()
        registered = death()
        await deliver(registered)
        await deliver(cancelled(registered))
        died, back = await emitted()
        await deliver(PersonDeathCancelled(**back["data"]))
        await deliver(PersonDeceased(**died["data"]))
        assert await row("residences", "state") == [("REGISTERED",)]
        place = await row("persons", "household_number, relation_to_head", "personal_id = :n", n=MOTHER)
        assert place == [("H-1", "HEAD")]
        assert len(await row("relationships", "id")) == 2

    async def test_an_end_told_after_the_next_death_gives_nothing_back(
        self, deliver, family, relay, row, emitted
    ):
        await family()
        registered = death()
        await deliver(registered)
        await deliver(cancelled(registered))
        _, back = await emitted()
        await deliver(death(on=date(2026, 10, 1)))
        for event in (await emitted())[2:]:
            if event["type"] == "population.person-deceased.v1":
                await deliver(PersonDeceased(**event["data"]))
        await deliver(PersonDeathCancelled(**back["data"]))
        assert await row("residences", "state, valid_to") == [("ENDED", date(2026, 10, 1))]
        assert await row("relationships", "id") == []
