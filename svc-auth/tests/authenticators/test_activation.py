"""Activating an account with the code from the office, and following the account's events."""

import asyncio

import pytest
from argon2 import PasswordHasher
from ndx_chassis.ids import new_id
from ndx_client.citizen import one_time_password
from ndx_contracts.events import AccountActivated, AccountLocked
from sqlalchemy import text

pytestmark = pytest.mark.integration
CODE = "7QK2-M0XD-9TRA"


def _hash(code: str = CODE) -> str:
    return PasswordHasher(time_cost=1, memory_cost=1024).hash(code.replace("-", ""))


def _activation(**changes: str) -> dict[str, str]:
    return {"handle": "079190000017", "activation_code": CODE, "passcode": "583206", **changes}


class TestActivateAccount:
    async def test_the_code_works_once(self, flow, holder):
        reply = await flow.http.post("/auth/v1/activations", json=_activation())
        assert reply.status_code == 403
        assert reply.json()["code"] == "activation-refused"

    async def test_unknown_name_and_wrong_code_get_the_same_answer(self, flow, deliver):
        await deliver(
            AccountActivated(
                account_id=new_id(),
                account_version=1,
                personal_id="079190000017",
                level=2,
                activation_hash=_hash(),
            )
        )
        answers = []
        for changes in ({"activation_code": "AAAA-BBBB-CCCC"}, {"handle": "079190999999"}):
            reply = await flow.http.post("/auth/v1/activations", json=_activation(**changes))
            answers.append((reply.status_code, reply.json()))
        assert answers[0] == answers[1]
        assert (await flow.http.post("/auth/v1/activations", json=_activation())).status_code == 201

    @pytest.mark.parametrize(
        "passcode",
        ["000000", "123456", "987654", "121212", "123123", "079190", "12345", "12345a", "１２３４５６"],
    )
    async def test_a_simple_passcode_is_refused_without_looking_at_the_account(self, flow, passcode):
        reply = await flow.http.post("/auth/v1/activations", json=_activation(passcode=passcode))
        assert reply.status_code == 422
        assert reply.json()["code"] == "passcode-too-simple"
        assert passcode not in reply.text

    async def test_guessing_codes_ends_after_five(self, flow, deliver):
        await deliver(
            AccountActivated(
                account_id=new_id(),
                account_version=1,
                personal_id="079190000017",
                level=2,
                activation_hash=_hash(),
            )
        )
        replies = await asyncio.gather(
            *(
                flow.http.post("/auth/v1/activations", json=_activation(activation_code=f"AAAA-BBBB-{n:04d}"))
                for n in range(12)
            )
        )
        statuses = [r.status_code for r in replies]
        assert statuses.count(403) == 5
        assert statuses.count(429) == 7
        assert (await flow.http.post("/auth/v1/activations", json=_activation())).status_code == 429

    async def test_an_outdated_code_is_refused(self, flow, deliver, session):
        await deliver(
            AccountActivated(
                account_id=new_id(),
                account_version=1,
                personal_id="079190000017",
                level=2,
                activation_hash=_hash(),
            )
        )
        await session.execute(text("UPDATE logins SET activation_until = now() - interval '1 second'"))
        await session.commit()
        assert (await flow.http.post("/auth/v1/activations", json=_activation())).status_code == 403

    async def test_before_the_activation_nobody_logs_in(self, flow, deliver):
        await deliver(
            AccountActivated(
                account_id=new_id(),
                account_version=1,
                personal_id="079190000017",
                level=2,
                activation_hash=_hash(),
            )
        )
        form = await flow.form(acr_values=None)
        assert (await flow.submit(form, handle="079190000017", passcode="583206")).status_code == 403


class TestFollowAccount:
    async def test_a_lock_that_arrives_before_the_activation_holds(self, flow, deliver):
        account_id = new_id()
        await deliver(AccountLocked(account_id=account_id, account_version=2, cause="DEATH"))
        await deliver(
            AccountActivated(
                account_id=account_id,
                account_version=1,
                personal_id="079190000017",
                level=2,
                activation_hash=_hash(),
            )
        )
        assert (await flow.http.post("/auth/v1/activations", json=_activation())).status_code == 403

    async def test_a_raised_level_keeps_the_means(self, flow, enrol, deliver):
        holder = await enrol(level=1)
        await deliver(
            AccountActivated(
                account_id=holder.account_id, account_version=2, personal_id=holder.handle, level=2
            )
        )
        token = (await flow.redeem(await flow.code(holder))).json()["access_token"]
        assert (await flow.userinfo(token)).json()["account_level"] == 2


def test_the_clients_one_time_password_is_that_of_rfc_6238():
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert one_time_password(secret, 59) == "287082"
    assert one_time_password(secret, 1111111109) == "081804"
