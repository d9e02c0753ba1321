"""Bursts, body size, time and load: what the door keeps from the providers."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.server import ConfigServer, serve
from gateway.xds.source import doors_of
from ndx_contracts.agreements import Quotas
from ndx_testing.bus import PERSON, Bus, agreement
from ndx_testing.envoy import free_ports, running_envoy, until

PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
G03 = "G03:insurance-link"
UNITS = "/population/v1/admin-units"


class TestBurst:
    async def test_more_than_the_agreements_rate_is_told_when_to_come_back(self, live: Bus) -> None:
        async with live.caller("G04:tax-link") as client:
            answers = [await client.get(UNITS)]
            answers += await asyncio.gather(*(client.get(UNITS) for _ in range(40)))
        refused = [a for a in answers if a.status_code == 429]
        assert answers[0].status_code == 200
        assert answers[0].headers["x-ratelimit-limit"].startswith("3")
        assert answers[0].headers["x-ratelimit-remaining"] == "2"
        assert refused
        assert {a.json()["code"] for a in refused} == {"burst-exceeded"}
        assert all(int(a.headers["retry-after"]) >= 1 for a in refused)
        assert refused[0].headers["content-type"] == "application/problem+json"

    async def test_one_agency_at_its_limit_takes_nothing_from_another(self, live: Bus) -> None:
        async with live.caller("G04:tax-link") as busy, live.caller(G03) as other:
            for _ in range(10):
                await busy.get(UNITS)
            assert (await other.get(UNITS)).status_code == 200

    async def test_after_the_pause_that_it_was_told_the_caller_gets_in_again(self, live: Bus) -> None:
        async with live.caller("G04:tax-link") as client:

            async def one(status: int) -> httpx.Response | None:
                answer = await client.get(UNITS)
                return answer if answer.status_code == status else None

            await until(lambda: one(429), what="the limit")
            await until(lambda: one(200), what="the next second")


class TestBody:
    async def test_a_body_over_a_mebibyte_is_refused_before_the_provider_sees_it(self, live: Bus) -> None:
        terms = live.snapshot.agreements[0].model_copy(
            update={"operations": live.snapshot.agreements[3].operations}
        )
        await live.apply(agreements=[terms])
        async with live.caller(G03) as client:
            answer = await client.post(
                "/population/v1/persons/verify", headers=PURPOSE, content=b"x" * 2_000_000
            )
            fits = await client.post(
                "/population/v1/persons/verify", headers=PURPOSE, content=b"x" * 1_000_000
            )
        assert (answer.status_code, answer.json()["code"]) == (413, "payload-too-large")
        assert fits.status_code == 200
        assert len(live.provider.received) == 1


class TestProvider:
    async def test_a_provider_that_is_away(self, live: Bus) -> None:
        async with live.caller(G03) as client:
            answer = await client.get("/insurance/v1/entitlements/1")
        assert (answer.status_code, answer.json()["code"]) == (503, "provider-unavailable")
        assert answer.headers["retry-after"] == "2"
        assert len(answer.json()["trace_id"]) == 32

    async def test_a_provider_that_does_not_answer_in_time(self, live: Bus) -> None:
        await live.apply(doors=replace(live.base.doors, timeout_seconds=0.5))
        live.provider.hold[UNITS] = asyncio.Event()
        async with live.caller(G03) as client:
            answer = await client.get(UNITS)
        live.provider.hold[UNITS].set()
        assert (answer.status_code, answer.json()["code"]) == (504, "provider-timeout")

    async def test_a_provider_with_too_many_open_calls_is_spared(self, live: Bus) -> None:
        live.provider.hold[PERSON] = asyncio.Event()
        async with live.caller(G03) as client:
            calls = [asyncio.create_task(client.get(PERSON, headers=PURPOSE)) for _ in range(30)]
            await until(lambda: sum(c.done() for c in calls) >= 10, what="refusals")
            live.provider.hold[PERSON].set()
            answers = await asyncio.gather(*calls)
        codes = {a.json().get("code", "served") for a in answers}
        assert codes == {"served", "circuit-open"}
        assert all(a.headers["retry-after"] == "1" for a in answers if a.status_code == 503)

    @pytest.mark.parametrize("status", [404, 409, 503])
    async def test_the_providers_own_refusals_pass_unchanged(self, live: Bus, status: int) -> None:
        live.provider.answers[UNITS] = (status, {"code": "the-providers-own"})
        try:
            async with live.caller(G03) as client:
                answer = await client.get(UNITS)
        finally:
            del live.provider.answers[UNITS]
        assert (answer.status_code, answer.json()["code"]) == (status, "the-providers-own")


class TestTwoEnvoys:
    async def test_together_they_let_in_what_the_agreement_gives_and_each_its_share(
        self, live: Bus, tmp_path: Path
    ) -> None:
        ports = free_ports(7)
        settings = live.settings.model_copy(
            update={
                "xds_port": ports[0],
                "envoys": ",".join(f"127.0.0.1:{port}" for port in (ports[1], ports[4])),
            }
        )
        burst = 60
        terms = agreement(
            "DSA-H79.001-1", ["population.list_admin_units"], quotas=Quotas(per_second=1, burst=burst)
        )
        doors = replace(
            live.snapshot.doors, shared_rates=doors_of(settings).shared_rates, provider_requests=1000
        )
        server = ConfigServer()
        server.publish(compile_resources(replace(live.snapshot, doors=doors, agreements=[terms])))
        grpc = await serve(server, address=f"127.0.0.1:{ports[0]}", folder=live.pki.folder)
        allowed = []
        try:
            async with AsyncExitStack() as open_now:
                callers = []
                for number, (door, citizen, admin) in enumerate((ports[1:4], ports[4:7])):
                    own = {"node": f"envoy-{number}", "admin_port": admin, "door_ports": (door, citizen)}
                    (folder := tmp_path / f"{number}").mkdir()
                    starts = running_envoy(bootstrap(settings.model_copy(update=own)), folder)
                    envoy = await open_now.enter_async_context(starts)
                    await until(envoy.ready, what="an Envoy's first configuration")
                    callers.append(await open_now.enter_async_context(live.caller("H79.001:his", port=door)))
                await server.wait_settled()
                assert server.refused == {}
                for caller in callers:
                    answers = []
                    for _ in range(0, burst, 4):
                        answers += await asyncio.gather(*(caller.get(UNITS) for _ in range(4)))
                    assert {a.status_code for a in answers} == {200, 429}
                    allowed.append(sum(a.status_code == 200 for a in answers))
        finally:
            await grpc.stop(grace=None)
        # A machine that stands still gives each half a call more a second.
        assert all(burst / 2 <= one < burst * 3 / 4 for one in allowed), allowed
