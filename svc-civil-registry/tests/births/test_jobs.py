"""The population database is away while births arrive: they wait visibly, then complete by themselves."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from ndx_chassis.gateway_client import ProviderUnavailable
from ndx_testing.gateway import RecordingGateway
from sqlalchemy import text
from svc_civil_registry.births.jobs import ask_for_waiting

BIRTHS = "/civil-registry/v1/births"
MAKE_DUE = text("UPDATE number_requests SET next_attempt_at = now(), leased_until = NULL")
DELAY = text("SELECT round(extract(epoch FROM next_attempt_at - clock_timestamp())) FROM number_requests")
NUMBERS = "/population/v1/personal-id-requests"


@pytest.fixture
def catch_up(runtime: Any) -> Any:
    """Run the job as the clock does, until nothing waits any more or it stops getting through."""

    async def run() -> None:
        async with runtime.sessions() as session, session.begin():
            await session.execute(MAKE_DUE)
        await ask_for_waiting(runtime)

    return run


class TestPopulationAway:
    async def test_births_wait_visibly_then_complete_none_lost_or_doubled(
        self,
        client: Any,
        office: Any,
        birth: Any,
        population: Any,
        gateway: RecordingGateway,
        catch_up: Any,
        emitted: Any,
        count: Any,
    ) -> None:
        gateway.unavailable()
        answers = [await client.post(BIRTHS, json=birth(), headers=office()) for _ in range(20)]
        assert {a.status_code for a in answers} == {202}
        first = answers[0].json()
        assert (first["status"], first["flags"]) == ("DECLARED", ["awaiting-personal-id"])
        assert answers[0].headers["Location"] == f"{BIRTHS}/{first['birth_id']}"
        assert await emitted() == []

        await catch_up()
        # The queue names no person, so it asks for no purpose.
        answer = await client.get(f"{BIRTHS}/awaiting-number", headers=office() | {"NDX-Purpose": ""})
        queue = answer.json()["items"]
        assert len(queue) == 20
        assert {q["last_error"] for q in queue} == {"provider-unavailable"}
        assert max(q["attempts"] for q in queue) == 2

        gateway.available()
        await catch_up()
        assert await count("number_requests") == 0
        assert await count("records WHERE status = 'REGISTERED' AND flags = '{}'") == 20
        assert len(population.issued) == 20
        events = await emitted()
        assert len({e["key"] for e in events}) == len(events) == 20
        done = await client.get(f"{BIRTHS}/{first['birth_id']}", headers=office())
        assert done.json()["personal_id"] is not None

    async def test_two_runs_at_one_time_do_not_double(
        self,
        client: Any,
        office: Any,
        birth: Any,
        population: Any,
        gateway: RecordingGateway,
        runtime: Any,
        emitted: Any,
    ) -> None:
        gateway.unavailable()
        for _ in range(12):
            await client.post(BIRTHS, json=birth(), headers=office())
        gateway.available()
        async with runtime.sessions() as session, session.begin():
            await session.execute(MAKE_DUE)
        await asyncio.gather(ask_for_waiting(runtime), ask_for_waiting(runtime), ask_for_waiting(runtime))
        assert len(await emitted()) == len(population.issued) == 12
        assert len(population.requests) == 12

    async def test_a_crash_after_the_number_was_issued_is_healed_with_the_same_number(
        self,
        client: Any,
        office: Any,
        birth: Any,
        population: Any,
        gateway: RecordingGateway,
        catch_up: Any,
        emitted: Any,
    ) -> None:
        def issued_but_the_answer_is_lost(call: Any) -> Any:
            population(call)
            raise ProviderUnavailable("No answer: ReadError.")

        gateway.answers("POST", NUMBERS, json=issued_but_the_answer_is_lost)
        answer = await client.post(BIRTHS, json=birth(), headers=office())
        assert answer.status_code == 202
        gateway.answers("POST", NUMBERS, json=population)
        await catch_up()
        (event,) = await emitted()
        assert len(population.issued) == 1
        assert event["data"]["personal_id"] == population.issued[answer.json()["birth_id"]]["personal_id"]

    async def test_an_attempt_in_flight_is_not_taken_twice(
        self, client: Any, office: Any, birth: Any, population: Any, gateway: RecordingGateway, runtime: Any
    ) -> None:
        started, go = asyncio.Event(), asyncio.Event()
        real = gateway.call

        async def slow(*args: Any, **kwargs: Any) -> Any:
            started.set()
            await go.wait()
            return await real(*args, **kwargs)

        gateway.call = slow  # type: ignore[method-assign]  # the double waits like a slow provider
        declaring = asyncio.create_task(client.post(BIRTHS, json=birth(), headers=office()))
        await started.wait()
        await ask_for_waiting(runtime)
        go.set()
        assert (await declaring).status_code == 201
        assert len(population.requests) == 1

    async def test_a_suspended_agreement_delays_and_is_named_in_the_queue(
        self, client: Any, office: Any, birth: Any, gateway: RecordingGateway
    ) -> None:
        gateway.answers("POST", NUMBERS, status=403, json={"code": "agreement-suspended"})
        answer = await client.post(BIRTHS, json=birth(), headers=office())
        assert answer.status_code == 202
        (queued,) = (await client.get(f"{BIRTHS}/awaiting-number", headers=office())).json()["items"]
        assert queued["last_error"] == "agreement-suspended"

    async def test_the_delay_grows(
        self, client: Any, office: Any, birth: Any, gateway: RecordingGateway, runtime: Any, session: Any
    ) -> None:
        object.__setattr__(runtime.settings, "number_first_delay_seconds", 10.0)
        object.__setattr__(runtime.settings, "number_longest_delay_seconds", 35.0)
        gateway.unavailable()
        made = (await client.post(BIRTHS, json=birth(), headers=office())).json()
        delays = []
        for _ in range(4):
            delays.append(int((await session.execute(DELAY)).scalar_one()))
            await session.rollback()
            await client.post(f"{BIRTHS}/{made['birth_id']}/resubmit", headers=office())
        assert delays == [10, 20, 35, 35]


class TestRefusals:
    async def test_an_operator_resubmits_a_waiting_birth_at_once(
        self, client: Any, office: Any, birth: Any, population: Any, gateway: RecordingGateway
    ) -> None:
        gateway.unavailable()
        made = (await client.post(BIRTHS, json=birth(), headers=office())).json()
        gateway.available()
        answer = await client.post(f"{BIRTHS}/{made['birth_id']}/resubmit", headers=office())
        assert (answer.status_code, answer.json()["status"]) == (200, "REGISTERED")
        again = await client.post(f"{BIRTHS}/{made['birth_id']}/resubmit", headers=office())
        assert again.status_code == 409
        assert "status-registered" in again.json()["detail"]

    async def test_a_rejection_is_a_flag_with_reasons_and_a_new_request_id_after_resubmission(
        self, client: Any, office: Any, birth: Any, population: Any, count: Any
    ) -> None:
        population.refusals["Sai"] = ("REJECTED", ["parent-unknown"])
        answer = await client.post(BIRTHS, json=birth(given_name="Sai"), headers=office())
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, "number-refused")
        assert [e["code"] for e in problem["errors"]] == ["parent-unknown"]
        assert await count("number_requests") == 0
        listed = await client.get(BIRTHS, params={"flag": "number-refused"}, headers=office())
        (kept,) = listed.json()["items"]
        population.refusals.clear()
        done = await client.post(f"{BIRTHS}/{kept['birth_id']}/resubmit", headers=office())
        assert done.json()["status"] == "REGISTERED"
        ids = [UUID(r["request_id"]) for r in population.requests]
        assert ids[0] == UUID(kept["birth_id"])
        assert ids[1] != ids[0]

    async def test_a_suspicion_of_population_needs_an_officers_decision(
        self, client: Any, office: Any, birth: Any, population: Any
    ) -> None:
        population.refusals["Trùng"] = ("DUPLICATE_SUSPECTED", ["same-mother-same-day"])
        answer = await client.post(BIRTHS, json=birth(given_name="Trùng"), headers=office())
        assert (answer.status_code, answer.json()["code"]) == (409, "potential-duplicate")
        assert [e["code"] for e in answer.json()["errors"]] == ["same-mother-same-day"]
        listed = await client.get(BIRTHS, params={"flag": "potential-duplicate"}, headers=office())
        (kept,) = listed.json()["items"]
        url = f"{BIRTHS}/{kept['birth_id']}"
        blocked = await client.post(f"{url}/resubmit", headers=office())
        assert (blocked.status_code, blocked.json()["code"]) == (409, "guard-failed")
        assert "potential-duplicate" in blocked.json()["detail"]
        done = await client.post(
            f"{url}/mark-not-duplicate", json={"reason": "đã kiểm tra"}, headers=office()
        )
        assert done.json()["status"] == "REGISTERED"
