"""Opening, raising, locking and unlocking an account at the office."""

import asyncio
from uuid import UUID

import pytest
from argon2 import PasswordHasher
from ndx_chassis.ids import new_id
from ndx_contracts.events import PersonalIdCancelled, PersonDeceased
from sqlalchemy import text
from svc_identity.accounts import activation, service
from svc_identity.accounts.models import AccountState

pytestmark = pytest.mark.integration


class TestOpenAccount:
    async def test_the_office_gets_a_code_and_only_its_hash_travels(
        self, open_account, emitted, disclosed, session
    ):
        reply = await open_account(birth_name="nguyễn thị  HÒA")
        assert reply.status_code == 201, reply.text
        assert reply.headers["cache-control"] == "no-store"
        opened = reply.json()
        code = opened["activation_code"]
        (event,) = await emitted()
        assert event["type"] == "identity.account-activated.v1"
        assert event["data"]["personal_id"] == "079190000017"
        assert PasswordHasher().verify(event["data"]["activation_hash"], activation.normalised(code))
        (record,) = await disclosed()
        assert record["subjects"] == ["079190000017"]
        assert record["outcome"] == "DISCLOSED"
        for table in ("accounts", "idempotency_keys", "outbox", "audit_entries"):
            everything = f"SELECT row_to_json(t)::text FROM {table} t"  # noqa: S608 - names are written above
            rows = (await session.execute(text(everything))).scalars()
            assert all(code not in row and activation.normalised(code) not in row for row in rows)

    async def test_the_place_of_the_tone_mark_is_no_other_name(self, open_account):
        assert (await open_account(birth_name="Nguyễn Thị Hoà")).status_code == 201

    async def test_a_repeated_request_gets_the_same_account_without_the_code(self, open_account, emitted):
        first, second = await open_account("k1"), await open_account("k1")
        assert second.status_code == 201
        assert second.json() == {**first.json(), "activation_code": None}
        assert len(await emitted()) == 1

    async def test_one_person_at_two_counters_at_one_instant_has_one_account(self, open_account, emitted):
        replies = await asyncio.gather(*(open_account(f"k{n}") for n in range(6)))
        assert sorted(r.status_code for r in replies) == [201, 409, 409, 409, 409, 409]
        assert len(await emitted()) == 1

    async def test_level_one_is_raised_to_two_and_keeps_the_means(self, open_account, emitted):
        assert (await open_account(level=1)).json()["activation_code"]
        raised = await open_account(level=2)
        assert raised.status_code == 201
        assert raised.json()["level"] == 2
        assert raised.json()["activation_code"] is None
        last = (await emitted())[-1]
        assert last["data"]["activation_hash"] is None
        assert last["data"]["account_version"] == 2
        assert (await open_account(level=1)).json()["code"] == "account-exists"

    @pytest.mark.parametrize(
        ("changes", "code"),
        [
            ({"birth_date": "1990-05-18"}, "person-mismatch"),
            ({"birth_name": "Nguyễn Thị Hoa"}, "person-mismatch"),
            ({"birth_date": "2015-05-17"}, "person-too-young"),
            ({"level": 1, "card": "EXPIRED_OR_NONE"}, "level-not-offered"),
            ({"received_on": "2999-01-01"}, "level-not-offered"),
        ],
    )
    async def test_a_refusal_has_its_reason(self, open_account, emitted, changes, code):
        reply = await open_account(**changes)
        assert reply.status_code == 422
        assert reply.json()["code"] == code
        assert "079190000017" not in reply.text
        assert await emitted() == []

    async def test_a_mismatch_leaves_its_record(self, open_account, disclosed):
        await open_account(birth_date="1990-05-18")
        (record,) = await disclosed()
        assert record["outcome"] == "NOT_MATCHED"

    async def test_an_unknown_number_is_said_and_recorded(self, open_account, gateway, disclosed):
        gateway.answers("GET", "/population/v1/persons/{personal_id}", status=404, json={"code": "x"})
        assert (await open_account()).json()["code"] == "person-unknown"
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"]

    @pytest.mark.parametrize("status", ["DECEASED", "DECLARED_DEAD"])
    async def test_a_dead_person_gets_none_and_the_question_is_recorded(
        self, open_account, people, disclosed, emitted, status
    ):
        people["079190000017"]["end"] = {"status": status, "date": "2026-11-20"}
        reply = await open_account()
        assert (reply.status_code, reply.json()["code"]) == (422, "person-unknown")
        assert [r["outcome"] for r in await disclosed()] == ["NOT_FOUND"]
        assert await emitted() == []

    async def test_a_missing_person_who_comes_gets_one(self, open_account, people):
        people["079190000017"]["end"] = {"status": "MISSING", "date": "2020-01-01"}
        assert (await open_account()).status_code == 201

    async def test_none_under_a_number_that_leads_to_another(self, open_account, people, emitted):
        people["079190000017"]["now"] = "079190000025"
        assert (await open_account()).json()["code"] == "person-unknown"
        assert await emitted() == []

    async def test_none_under_a_number_that_was_cancelled_while_population_was_asked(
        self, open_account, deliver, emitted
    ):
        await deliver(
            PersonalIdCancelled(
                person_id=new_id(), old_personal_id="079190000017", superseded_by="079190000025"
            )
        )
        assert (await open_account()).json()["code"] == "person-unknown"
        assert await emitted() == []

    async def test_while_population_is_away_nothing_is_opened(self, open_account, gateway, emitted):
        gateway.unavailable()
        assert (await open_account("k1")).status_code == 503
        gateway.available()
        assert (await open_account("k1")).status_code == 201
        assert len(await emitted()) == 1

    async def test_without_an_agreement_nothing_happens(self, open_account, client, office, people):
        body = {"personal_id": "079190000017", "birth_date": "1990-05-17"}
        headers = {**office, "NDX-Purpose": "TAX_ADMINISTRATION"}
        reply = await client.post("/identity/v1/accounts", json=body, headers=headers)
        assert reply.json()["code"] == "purpose-not-covered"
        assert (await client.post("/identity/v1/accounts", json=body)).status_code == 401


class TestLockAccount:
    async def test_locked_and_unlocked_by_the_same_cause(self, open_account, client, office, emitted):
        account = (await open_account()).json()["account_id"]
        url = f"/identity/v1/accounts/{account}"
        locked = await client.post(f"{url}/lock", json={"cause": "CARD_HELD"}, headers=office)
        assert locked.json()["state"] == "LOCKED"
        await client.post(f"{url}/lock", json={"cause": "CARD_HELD"}, headers=office)
        both = await client.post(f"{url}/lock", json={"cause": "HOLDER_REQUEST"}, headers=office)
        assert both.json()["lock_causes"] == ["CARD_HELD", "HOLDER_REQUEST"]
        still = await client.post(f"{url}/unlock", json={"cause": "CARD_HELD"}, headers=office)
        assert still.json()["state"] == "LOCKED"
        again = await client.post(f"{url}/unlock", json={"cause": "CARD_HELD"}, headers=office)
        assert again.json()["code"] == "account-not-locked"
        free = await client.post(f"{url}/unlock", json={"cause": "HOLDER_REQUEST"}, headers=office)
        assert free.json()["state"] == "ACTIVE"
        events = [(e["type"].split(".")[1], e["data"]["account_version"]) for e in await emitted()]
        assert events == [
            ("account-activated", 1),
            ("account-locked", 2),
            ("account-locked", 3),
            ("account-unlocked", 5),
        ]

    async def test_death_locks_for_ever(self, open_account, client, office, deliver, emitted):
        account = (await open_account()).json()["account_id"]
        await deliver(
            PersonDeceased(person_id=new_id(), personal_id="079190000017", version=2, died_on="2026-11-20")
        )
        url = f"/identity/v1/accounts/{account}"
        shown = (await client.get(url, headers=office)).json()
        assert (shown["state"], shown["lock_causes"]) == ("LOCKED", ["DEATH"])
        for cause in ("HOLDER_REQUEST", "CARD_HELD"):
            reply = await client.post(f"{url}/unlock", json={"cause": cause}, headers=office)
            assert reply.json()["code"] == "lock-is-final"
        assert (await client.post(f"{url}/activation-codes", headers=office)).status_code == 409
        assert [e["type"] for e in await emitted()].count("identity.account-locked.v1") == 1

    async def test_an_office_cannot_declare_a_death(self, open_account, client, office):
        account = (await open_account()).json()["account_id"]
        url = f"/identity/v1/accounts/{account}/lock"
        assert (await client.post(url, json={"cause": "DEATH"}, headers=office)).status_code == 422

    async def test_a_cancelled_number_locks(self, open_account, client, office, deliver):
        account = (await open_account()).json()["account_id"]
        await deliver(PersonalIdCancelled(person_id=new_id(), old_personal_id="079190000017"))
        shown = await client.get(f"/identity/v1/accounts/{account}", headers=office)
        assert shown.json()["lock_causes"] == ["PERSONAL_ID_CANCELLED"]


class TestActivationCode:
    async def test_a_new_code_comes_without_the_old_phone(self, open_account, client, office, emitted):
        opened = (await open_account()).json()
        url = f"/identity/v1/accounts/{opened['account_id']}/activation-codes"
        reply = await client.post(url, headers=office)
        assert reply.status_code == 201
        assert reply.json()["activation_code"] != opened["activation_code"]
        last = (await emitted())[-1]
        assert last["type"] == "identity.activation-code-issued.v1"
        assert last["data"]["account_version"] == 2


class TestShowAccount:
    async def test_the_holder_sees_the_own_account_and_the_look_is_noted(
        self, open_account, client, as_citizen, session, disclosed
    ):
        opened = (await open_account()).json()
        before = len(await disclosed())
        mine = await client.get("/identity/v1/me/account", headers=as_citizen(opened["account_id"], acr=1))
        assert mine.json()["level"] == 2
        found = await session.execute(
            text("SELECT actor FROM audit_entries WHERE action = 'own_account_viewed'")
        )
        assert found.scalars().all() == [f"citizen/{opened['account_id']}"]
        assert len(await disclosed()) == before
        assert (await client.get("/identity/v1/me/account")).status_code == 401

    async def test_a_lock_in_the_moment_of_a_look_shows_whole_or_not_at_all(
        self, open_account, client, office, session
    ):
        number = (await open_account()).json()["account_id"]
        account = await service.required(session, UUID(number))
        lock = {"cause": "CARD_HELD"}
        assert (
            await client.post(f"/identity/v1/accounts/{number}/lock", json=lock, headers=office)
        ).is_success
        shown = await service.shown(session, account)
        assert (shown.state is AccountState.LOCKED) is bool(shown.lock_causes)

    async def test_an_unknown_account(self, client, office):
        reply = await client.get(f"/identity/v1/accounts/{new_id()}", headers=office)
        assert reply.json()["code"] == "account-not-found"
