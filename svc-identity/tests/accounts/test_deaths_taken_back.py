"""A death that is taken back: the account and the attached children are there again."""

from datetime import UTC, datetime

import pytest
from ndx_chassis.ids import new_id
from ndx_contracts.events import BirthRegistered, PersonDeathCancelled, PersonDeceased
from svc_identity.rules import calendar

CHILD, MOTHER = "079226000017", "079190000017"
RECORD = new_id()


def died(version: int, number: str = MOTHER) -> PersonDeceased:
    return PersonDeceased(person_id=RECORD, personal_id=number, version=version, died_on="2026-11-25")


def back(version: int, number: str = MOTHER) -> PersonDeathCancelled:
    return PersonDeathCancelled(person_id=RECORD, personal_id=number, version=version, died_on="2026-11-25")


def birth() -> BirthRegistered:
    return BirthRegistered(
        birth_id=new_id(),
        person_id=new_id(),
        personal_id=CHILD,
        mother_personal_id=MOTHER,
        registered_at=datetime(2026, 11, 24, 2, tzinfo=UTC),
        office="X26740",
    )


@pytest.fixture
def account(open_account, client, office):
    """Open an account; `state()` says what an office reads of it."""

    class Account:
        async def open(self) -> None:
            self.id = (await open_account()).json()["account_id"]
            self.url = f"/identity/v1/accounts/{self.id}"

        async def state(self) -> tuple[str, list[str]]:
            shown = (await client.get(self.url, headers=office)).json()
            return shown["state"], shown["lock_causes"]

    return Account()


class TestTakenBack:
    async def test_the_account_is_unlocked_by_itself(self, account, deliver, emitted):
        await account.open()
        await deliver(died(2))
        assert await account.state() == ("LOCKED", ["DEATH"])
        await deliver(back(3))
        assert await account.state() == ("ACTIVE", [])
        types = [e["type"].split(".")[1] for e in await emitted()]
        assert types == ["account-activated", "account-locked", "account-unlocked"]

    async def test_other_locks_stay(self, account, deliver, client, office):
        await account.open()
        await client.post(f"{account.url}/lock", json={"cause": "CARD_HELD"}, headers=office)
        await deliver(died(2))
        await deliver(back(3))
        assert await account.state() == ("LOCKED", ["CARD_HELD"])
        free = await client.post(f"{account.url}/unlock", json={"cause": "CARD_HELD"}, headers=office)
        assert free.json()["state"] == "ACTIVE"

    @pytest.mark.parametrize(
        ("words", "state"),
        [
            ([back(3), died(2)], "ACTIVE"),
            ([died(2), died(4), back(3)], "LOCKED"),
            ([died(4), back(3), died(2)], "LOCKED"),
            ([died(2), back(3), died(4), back(5)], "ACTIVE"),
        ],
    )
    async def test_the_latest_word_counts_in_any_order(self, account, deliver, words, state):
        await account.open()
        for word in words:
            await deliver(word)
        assert (await account.state())[0] == state

    async def test_where_the_rule_says_so_the_office_unlocks(
        self, account, deliver, client, office, monkeypatch
    ):
        monkeypatch.setattr(calendar.Rules, "reopening", lambda *_: calendar.Reopening.OFFICE)
        await account.open()
        await deliver(died(2))
        refused = await client.post(f"{account.url}/unlock", json={"cause": "DEATH"}, headers=office)
        assert refused.status_code in {409, 422}
        await deliver(back(3))
        assert await account.state() == ("LOCKED", ["DEATH"])
        free = await client.post(f"{account.url}/unlock", json={"cause": "DEATH"}, headers=office)
        assert (free.status_code, free.json().get("state")) == (200, "ACTIVE"), free.text

    @pytest.mark.parametrize("who", [CHILD, MOTHER])
    async def test_children_hang_on_it_again(self, account, deliver, client, as_citizen, who, emitted):
        await account.open()
        await deliver(birth())
        await deliver(died(2, who))
        await deliver(back(3, who))
        items = (await client.get("/identity/v1/me/dependants", headers=as_citizen(account.id))).json()
        assert [i["personal_id"] for i in items["items"]] == [CHILD]
        assert [e["type"] for e in await emitted()].count("identity.dependant-attached.v1") == 2
