"""A registered death closes the record, once."""

from datetime import UTC, date, datetime

from ndx_chassis.ids import new_id
from ndx_contracts.events import DeathRegistered
from sqlalchemy import text

MOTHER = "079190000011"


def death(died_on: date = date(2026, 11, 1)) -> DeathRegistered:
    return DeathRegistered(
        death_id=new_id(),
        personal_id=MOTHER,
        died_on=died_on,
        registered_at=datetime(2026, 11, 2, tzinfo=UTC),
        office="X26740",
    )


class TestDeath:
    async def test_the_record_is_closed_with_history_and_announced_once(
        self, deliver, add_person, emitted, session, client, insurer
    ):
        await add_person(MOTHER)
        home = "UPDATE persons SET permanent_province_code = '79', permanent_commune_code = '26740'"
        await session.execute(text(home))
        await session.commit()
        await deliver(death())
        await deliver(death())
        (event,) = await emitted()
        assert event["type"] == "population.person-deceased.v1"
        assert event["data"]["died_on"] == "2026-11-01"
        assert event["data"]["version"] == 2
        # By the place it is decided who may be told.
        assert (event["data"]["province_code"], event["data"]["commune_code"]) == ("79", "26740")
        row = (
            await session.execute(text("SELECT version, changed, before, valid_from FROM person_history"))
        ).one()
        assert (row.version, row.changed) == (2, ["death_or_missing_date"])
        assert row.before["life_status"] == "ALIVE"
        assert row.valid_from == date(2026, 11, 1)
        url = f"/population/v1/persons/{MOTHER}?fields=death_or_missing_date"
        read = await client.get(url, headers=insurer)
        assert read.json() == {"death_or_missing_date": {"status": "DECEASED", "date": "2026-11-01"}}

    async def test_a_contradicting_death_changes_nothing_and_is_audited(
        self, deliver, add_person, emitted, session
    ):
        await add_person(MOTHER)
        await deliver(death())
        await deliver(death(date(2026, 11, 5)))
        assert len(await emitted()) == 1
        actions = await session.execute(text("SELECT action FROM audit_entries ORDER BY id"))
        assert [a for (a,) in actions] == ["person_changed", "death_contradicted"]

    async def test_the_dead_keep_their_number(self, deliver, add_person, client, registry):
        await add_person(MOTHER)
        await deliver(death())
        body = {
            "cause": "SEX_REDETERMINED",
            "sex": "MALE",
            "valid_from": "2026-11-01",
            "decision": {"number": "1", "decided_on": "2026-11-01", "decided_by": "C06"},
        }
        reply = await client.post(f"/population/v1/personal-ids/{MOTHER}/cancel", json=body, headers=registry)
        assert (reply.status_code, reply.json()["code"]) == (409, "person-locked")
