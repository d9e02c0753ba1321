"""A number leads to another one: its account is locked, children follow the guardian, and come back."""

from datetime import UTC, datetime
from uuid import UUID

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import BirthRegistered, PersonalIdCancelled, PersonDeathCancelled, PersonDeceased
from ndx_testing.mergers import merged, separated
from sqlalchemy import text

pytestmark = pytest.mark.integration
CHILD, OTHER_CHILD, MOTHER, NEW = "079226000017", "079226000025", "079190000017", "079190000555"


def birth(child: str = CHILD, mother: str = MOTHER) -> BirthRegistered:
    return BirthRegistered(
        birth_id=new_id(),
        person_id=new_id(),
        personal_id=child,
        mother_personal_id=mother,
        registered_at=datetime(2026, 11, 24, 2, tzinfo=UTC),
        office="X26740",
    )


async def children(client, headers) -> list[str]:
    reply = await client.get("/identity/v1/me/dependants", headers=headers)
    assert reply.status_code == 200, reply.text
    return [d["personal_id"] for d in reply.json()["items"]]


async def states(session) -> dict[str, str]:
    found = await session.execute(text("SELECT personal_id, state FROM accounts"))
    answer = {row.personal_id: row.state for row in found}
    await session.rollback()
    return answer


@pytest.fixture
async def both(open_account, people) -> tuple[str, str]:
    """The accounts of one woman under two numbers."""
    people[NEW] = people[MOTHER]
    old = (await open_account()).json()["account_id"]
    new = (await open_account(personal_id=NEW)).json()["account_id"]
    return old, new


def died(number: str, record: UUID, version: int = 2) -> PersonDeceased:
    return PersonDeceased(person_id=record, personal_id=number, version=version, died_on="2026-11-25")


def back(number: str, record: UUID, version: int) -> PersonDeathCancelled:
    return PersonDeathCancelled(person_id=record, personal_id=number, version=version, died_on="2026-11-25")


class TestDeathsOfMergedRecords:
    async def test_when_both_deaths_are_taken_back_all_children_hang_on_the_account_that_stands(
        self, both, deliver, client, as_citizen, session, emitted
    ):
        old, new = both
        first, second = new_id(), new_id()
        await deliver(birth())
        await deliver(died(MOTHER, first, 1))
        await deliver(died(NEW, second, 1))
        await deliver(merged(NEW, MOTHER, record=second))
        # Of the first end nothing is told: the other death stood.
        await deliver(back(NEW, second, 4))
        assert await states(session) == {MOTHER: "LOCKED", NEW: "ACTIVE"}
        assert await children(client, as_citizen(new)) == [CHILD]
        assert (await emitted())[-1]["type"] == "identity.dependant-attached.v1"
        await deliver(separated(NEW, MOTHER, record=second))
        assert await children(client, as_citizen(new)) == []
        await deliver(back(MOTHER, first, 5))
        assert await states(session) == {MOTHER: "ACTIVE", NEW: "ACTIVE"}
        assert await children(client, as_citizen(old)) == [CHILD]

    async def test_a_death_from_before_the_merger_that_is_told_after_its_end_locks_only_its_own_account(
        self, both, deliver, client, as_citizen, session
    ):
        _, new = both
        first, second = new_id(), new_id()
        await deliver(birth())
        await deliver(merged(NEW, MOTHER, record=second))
        await deliver(back(NEW, second, 4))
        await deliver(died(MOTHER, first, 1))
        assert await states(session) == {MOTHER: "LOCKED", NEW: "ACTIVE"}
        assert await children(client, as_citizen(new)) == [CHILD]

    @pytest.mark.parametrize("own", [False, True])
    async def test_when_the_merger_is_undone_only_her_own_death_parts_her_from_her_children(
        self, both, deliver, client, as_citizen, session, own
    ):
        old, _ = both
        first, second = new_id(), new_id()
        await deliver(birth())
        await deliver(merged(NEW, MOTHER, record=second))
        await deliver(died(NEW, second, 5))
        if own:
            await deliver(died(MOTHER, first))
        await deliver(separated(NEW, MOTHER, record=second))
        assert await states(session) == {MOTHER: "LOCKED" if own else "ACTIVE", NEW: "LOCKED"}
        assert await children(client, as_citizen(old)) == ([] if own else [CHILD])


class TestMergedRecords:
    async def test_one_account_stays_and_the_children_hang_on_it_until_that_is_undone(
        self, both, deliver, client, as_citizen, session, emitted
    ):
        old, new = both
        await deliver(birth())
        await deliver(merged(NEW, MOTHER))
        assert await states(session) == {MOTHER: "LOCKED", NEW: "ACTIVE"}
        assert await children(client, as_citizen(new)) == [CHILD]
        types = [e["type"].split(".")[1] for e in await emitted()]
        assert types[-3:] == ["account-locked", "dependant-detached", "dependant-attached"]
        await deliver(separated(NEW, MOTHER))
        assert await states(session) == {MOTHER: "ACTIVE", NEW: "ACTIVE"}
        assert await children(client, as_citizen(old)) == [CHILD]
        assert await children(client, as_citizen(new)) == []

    async def test_no_office_ends_that_lock_and_another_lock_stays(self, both, deliver, session):
        await deliver(merged(NEW, MOTHER))
        await session.execute(
            text(
                "INSERT INTO account_locks (id, account_id, cause, started_by)"
                " SELECT uuidv7(), id, 'CARD_REVOKED', 't' FROM accounts WHERE personal_id = :n"
            ),
            {"n": MOTHER},
        )
        await session.commit()
        await deliver(separated(NEW, MOTHER))
        assert (await states(session))[MOTHER] == "LOCKED"

    async def test_a_child_with_two_records_hangs_on_an_account_once(
        self, open_account, deliver, client, as_citizen
    ):
        mother = as_citizen((await open_account()).json()["account_id"])
        await deliver(birth())
        await deliver(merged(OTHER_CHILD, CHILD))
        assert await children(client, mother) == [OTHER_CHILD]
        await deliver(separated(OTHER_CHILD, CHILD))
        assert await children(client, mother) == [CHILD]

    async def test_of_two_attachments_of_one_child_one_stays_until_the_merger_is_undone(
        self, open_account, people, deliver, client, as_citizen, emitted, session
    ):
        mother = as_citizen((await open_account()).json()["account_id"])
        people[OTHER_CHILD] = people[CHILD]
        for child in (CHILD, OTHER_CHILD):
            await deliver(birth(child))
        await deliver(merged(OTHER_CHILD, CHILD))
        assert await children(client, mother) == [OTHER_CHILD]
        last = (await emitted())[-1]
        assert (last["type"], last["data"]["cause"]) == (
            "identity.dependant-detached.v1",
            "PERSONS_MERGED",
        )
        await deliver(separated(OTHER_CHILD, CHILD))
        assert sorted(await children(client, mother)) == sorted([CHILD, OTHER_CHILD])
        assert (await emitted())[-1]["type"] == "identity.dependant-attached.v1"
        actions = await session.scalars(text("SELECT action FROM audit_entries"))
        assert "dependant_detached" in set(actions)

    async def test_a_birth_told_under_the_merged_number_reaches_the_account_that_stands(
        self, both, deliver, client, as_citizen
    ):
        await deliver(merged(NEW, MOTHER))
        await deliver(birth())
        assert await children(client, as_citizen(both[1])) == [CHILD]

    async def test_a_merger_told_after_the_next_one_comes_back_to_the_number_between(
        self, both, deliver, client, as_citizen, session
    ):
        old, new = both
        between = "079190000777"
        await deliver(birth())
        await deliver(merged(NEW, between))
        await deliver(merged(between, MOTHER))
        assert await children(client, as_citizen(new)) == [CHILD]
        await deliver(separated(NEW, between))
        assert await children(client, as_citizen(new)) == []
        leads = "SELECT superseded_by FROM former_numbers WHERE personal_id = :n"
        guardian = "SELECT guardian_personal_id FROM dependants"
        assert await session.scalar(text(leads), {"n": MOTHER}) == between
        assert await session.scalar(text(guardian)) == between
        await session.rollback()
        assert (await states(session))[MOTHER] == "LOCKED"
        await deliver(separated(between, MOTHER))
        assert await children(client, as_citizen(old)) == [CHILD]

    async def test_a_record_that_is_split_has_nothing_to_give_back(self, both, deliver, session):
        await deliver(separated(MOTHER, NEW, undone=False))
        assert await states(session) == {MOTHER: "ACTIVE", NEW: "ACTIVE"}


class TestCancelledNumber:
    async def test_the_lock_stays_for_ever_and_children_wait_for_the_new_account(
        self, both, deliver, client, as_citizen, session
    ):
        await deliver(birth())
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id=MOTHER, superseded_by=NEW))
        assert (await states(session))[MOTHER] == "LOCKED"
        assert await children(client, as_citizen(both[1])) == [CHILD]
        await deliver(separated(NEW, MOTHER))
        assert (await states(session))[MOTHER] == "LOCKED"
