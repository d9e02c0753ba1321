"""A person dies once, under whichever of their numbers it is declared."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonalIdCancelled, PersonsMerged, PersonsSeparated
from sqlalchemy import text
from svc_civil_registry.deaths import successions

DEATHS = "/civil-registry/v1/deaths"
OLD, NEW = "079040001234", "079040005678"
RECORD = new_id()


@pytest.fixture
def declare(client: Any, office: Any, days_ago: Any) -> Any:
    async def send(number: str, **headers: str) -> tuple[int, str | None]:
        body = {
            "office": "X26740",
            "deceased": {
                "personal_id": number,
                "name": "Lê Văn Tâm",
                "sex": "MALE",
                "last_residence": "Phường Sài Gòn",
            },
            "died_on": days_ago(4),
            "death_place": "tại nhà",
            "declarant": {"name": "Lê Thị Hạnh", "relation": "CHILD"},
        }
        answer = await client.post(DEATHS, json=body, headers=office(**headers))
        return answer.status_code, answer.json().get("code")

    return send


def cancelled() -> PersonalIdCancelled:
    return PersonalIdCancelled(person_id=new_id(), old_personal_id=OLD, superseded_by=NEW)


def merged() -> PersonsMerged:
    return PersonsMerged(
        person_id=RECORD, personal_id=NEW, version=2, merged_person_id=new_id(), merged_personal_id=OLD
    )


def separated() -> PersonsSeparated:
    return PersonsSeparated(
        person_id=RECORD,
        personal_id=NEW,
        version=3,
        separated_person_id=new_id(),
        separated_personal_id=OLD,
        undone=True,
    )


REFUSED = (409, "death-already-registered")


class TestOnePerson:
    @pytest.mark.parametrize("numbers", [(OLD, NEW), (NEW, OLD)])
    @pytest.mark.parametrize("told", [cancelled, merged])
    async def test_a_death_is_registered_under_the_old_or_the_new_number_and_not_under_both(
        self, declare: Any, deliver: Any, emitted: Any, disclosed: Any, numbers: tuple[str, str], told: Any
    ) -> None:
        await deliver(told())
        first, second = numbers
        assert await declare(first) == (201, None)
        assert await declare(second) == REFUSED
        (event,) = await emitted()
        assert event["data"]["personal_id"] == first
        # Who hears that it is known asked about this number.
        last = (await disclosed())[-1]
        assert (last["subjects"], last["outcome"]) == ([second], "MATCHED")

    async def test_both_at_one_instant_are_one(self, declare: Any, deliver: Any, emitted: Any) -> None:
        await deliver(cancelled())
        answers = await asyncio.gather(*(declare(n) for n in (OLD, NEW) * 3))
        assert sorted(answers, key=str) == [(201, None), *[REFUSED] * 5]
        assert len(await emitted()) == 1

    async def test_a_declaration_beside_the_change_of_its_number_is_asked_to_come_again(
        self, declare: Any, runtime: Any, session: Any, emitted: Any
    ) -> None:
        actor: Any = SimpleNamespace(actor="test", request_id="r-1", officer=None, case_id=None)
        async with runtime.sessions() as beside, beside.begin():
            await successions.follow_number(beside, actor, old=OLD, new=NEW, merger=None)
            declared = asyncio.create_task(declare(OLD))
            waiting = text(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
            )
            while not await session.scalar(waiting):
                assert not declared.done()
                await asyncio.sleep(0.01)
        assert await declared == (503, "person-is-changing")
        assert await declare(OLD) == (201, None)
        assert await declare(NEW) == REFUSED
        assert len(await emitted()) == 1

    async def test_two_that_were_registered_before_it_was_known_are_told(
        self, declare: Any, deliver: Any, count: Any
    ) -> None:
        assert await declare(OLD) == await declare(NEW) == (201, None)
        await deliver(merged())
        assert await count("audit_entries WHERE action = 'death_registered_twice'") == 1
        assert await count("deaths") == 2

    async def test_after_the_end_of_the_merger_it_is_the_death_of_the_number_that_it_names(
        self, declare: Any, deliver: Any
    ) -> None:
        await deliver(merged())
        assert await declare(OLD) == (201, None)
        assert await declare(NEW) == REFUSED
        await deliver(separated())
        assert await declare(NEW) == (201, None)
        assert await declare(OLD) == REFUSED
