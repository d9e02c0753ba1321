"""A death that is registered or cancelled while two records are merged."""

from datetime import UTC, date, datetime

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import DeathCancelled, DeathRegistered
from sqlalchemy import text

from .conftest import DOCUMENT, MERGE, A, B, done


class TestDeathWhileMerged:
    """A death is that of the number under which it was registered, whatever that led to."""

    @staticmethod
    def death(number, on=date(2026, 6, 1)):
        return DeathRegistered(
            death_id=new_id(),
            personal_id=number,
            died_on=on,
            registered_at=datetime(2026, 6, 2, tzinfo=UTC),
            office="X26740",
        )

    @staticmethod
    async def lives(session):
        rows = await session.execute(text("SELECT personal_id, life_status FROM persons"))
        await session.rollback()
        return {row.personal_id: row.life_status for row in rows}

    @staticmethod
    def deaths_told(events):
        return [
            (e["type"], e["data"]["personal_id"])
            for e in events
            if "dece" in e["type"] or "death" in e["type"]
        ]

    @pytest.mark.parametrize(("number", "other"), [(A, B), (B, A)])
    async def test_after_the_undo_it_is_with_its_own_record(
        self, client, officer, add_person, deliver, session, emitted, number, other
    ):
        for each in (A, B):
            await add_person(each, sex="FEMALE")
        merge = await done(client, officer, MERGE)
        await deliver(self.death(number))
        assert await self.lives(session) == {A: "DECEASED"}
        undone = await done(
            client, officer, {"kind": "UNDO", "merger_id": merge.json()["id"], "document": DOCUMENT}
        )
        assert undone.status_code == 200, undone.text
        assert await self.lives(session) == {number: "DECEASED", other: "ALIVE"}
        told = self.deaths_told(await emitted())
        deceased, back = "population.person-deceased.v1", "population.person-death-cancelled.v1"
        assert told == ([(deceased, A)] if number == A else [(deceased, A), (back, A), (deceased, B)])

    async def test_cancelled_while_merged_it_is_nobodys_afterwards(
        self, client, officer, add_person, deliver, session
    ):
        for each in (A, B):
            await add_person(each, sex="FEMALE")
        registered = [self.death(number) for number in (A, B)]
        for death in registered:
            await deliver(death)
        assert await self.lives(session) == {A: "DECEASED", B: "DECEASED"}
        merge = await done(client, officer, MERGE)
        assert merge.json()["state"] == "DONE", merge.text
        of_b = registered[1]
        await deliver(
            DeathCancelled(
                death_id=of_b.death_id,
                personal_id=B,
                died_on=of_b.died_on,
                cause="WRONG_PERSON",
                found_alive=False,
                cancelled_at=datetime(2026, 9, 2, tzinfo=UTC),
                office="X26740",
            )
        )
        assert await self.lives(session) == {A: "DECEASED"}
        await done(client, officer, {"kind": "UNDO", "merger_id": merge.json()["id"], "document": DOCUMENT})
        assert await self.lives(session) == {A: "DECEASED", B: "ALIVE"}
