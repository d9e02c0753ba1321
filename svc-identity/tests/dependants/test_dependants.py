"""A birth attaches the child to its parents' accounts; age and death end it."""

from datetime import UTC, date, datetime

import pytest
from ndx_chassis.errors import DomainError
from ndx_chassis.ids import new_id
from ndx_contracts.events import BirthRegistered, PersonDeceased
from svc_identity.dependants import service

pytestmark = pytest.mark.integration
CHILD = "079226000017"
MOTHER = "079190000017"
FATHER = "079088000023"


def birth(**changes: str | None) -> BirthRegistered:
    members = {"mother_personal_id": MOTHER, "father_personal_id": FATHER, **changes}
    return BirthRegistered(
        birth_id=new_id(),
        person_id=new_id(),
        personal_id=CHILD,
        registered_at=datetime(2026, 11, 24, 2, tzinfo=UTC),
        office="X26740",
        **members,
    )


def death(personal_id: str) -> PersonDeceased:
    return PersonDeceased(person_id=new_id(), personal_id=personal_id, version=2, died_on="2026-11-25")


async def _mine(client, headers) -> list[dict]:
    reply = await client.get("/identity/v1/me/dependants", headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


class TestAttachNewborn:
    async def test_the_mother_sees_her_child(
        self, open_account, deliver, client, as_citizen, emitted, gateway
    ):
        mother = (await open_account()).json()["account_id"]
        await deliver(birth())
        (item,) = await _mine(client, as_citizen(mother))
        assert item["personal_id"] == CHILD
        assert item["relation"] == "MOTHER"
        assert item["ends_on"] == "2040-11-20"
        attached = [e for e in await emitted() if e["type"] == "identity.dependant-attached.v1"]
        assert [e["data"]["guardian_personal_id"] for e in attached] == [MOTHER]
        child_reads = [c for c in gateway.calls if c.path["personal_id"] == CHILD]
        assert [c.params["fields"] for c in child_reads] == ["birth_date"]

    async def test_both_parents_with_accounts_get_the_child(self, open_account, deliver, client, as_citizen):
        await open_account()
        father = await open_account(personal_id=FATHER, birth_date="1988-01-02")
        await deliver(birth())
        (item,) = await _mine(client, as_citizen(father.json()["account_id"]))
        assert item["relation"] == "FATHER"

    async def test_without_an_account_of_level_2_nothing_is_read(
        self, open_account, deliver, gateway, emitted
    ):
        await open_account(level=1)
        await deliver(birth())
        assert all(c.path["personal_id"] != CHILD for c in gateway.calls)
        assert len(await emitted()) == 1

    async def test_while_population_is_away_the_event_waits(
        self, open_account, deliver, gateway, client, as_citizen
    ):
        mother = (await open_account()).json()["account_id"]
        gateway.unavailable()
        event_id, event = new_id(), birth()
        with pytest.raises(DomainError):
            await deliver(event, event_id=event_id)
        assert await _mine(client, as_citizen(mother)) == []
        gateway.available()
        await deliver(event, event_id=event_id)
        assert len(await _mine(client, as_citizen(mother))) == 1

    async def test_a_weak_log_in_is_not_enough(self, open_account, client, as_citizen):
        mother = (await open_account()).json()["account_id"]
        reply = await client.get("/identity/v1/me/dependants", headers=as_citizen(mother, acr=1))
        assert reply.json()["code"] == "acr-insufficient"


class TestEnd:
    async def test_the_fourteenth_birthday_ends_it(
        self, open_account, deliver, client, as_citizen, runtime, emitted
    ):
        mother = (await open_account()).json()["account_id"]
        await deliver(birth())
        async with runtime.sessions() as session, session.begin():
            assert await service.end_by_age(session, date(2040, 11, 19)) == 0
            assert await service.end_by_age(session, date(2040, 11, 20)) == 1
            assert await service.end_by_age(session, date(2040, 11, 20)) == 0
        assert await _mine(client, as_citizen(mother)) == []
        assert (await emitted())[-1]["data"]["cause"] == "AGE"

    @pytest.mark.parametrize(("who", "cause"), [(CHILD, "DEPENDANT_DECEASED"), (MOTHER, "GUARDIAN_DECEASED")])
    async def test_a_death_ends_it(self, open_account, deliver, client, as_citizen, emitted, who, cause):
        mother = (await open_account()).json()["account_id"]
        await deliver(birth())
        await deliver(death(who))
        assert await _mine(client, as_citizen(mother)) == []
        detached = [e for e in await emitted() if e["type"] == "identity.dependant-detached.v1"]
        assert [e["data"]["cause"] for e in detached] == [cause]
