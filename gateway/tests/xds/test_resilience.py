"""Several copies of a service, several Envoys, and the alarm when one of them refuses its configuration."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
import yaml
from gateway.settings import Settings
from gateway.xds import protos
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.drain import drain, tell
from gateway.xds.resources import Resource
from gateway.xds.server import ConfigServer
from gateway.xds.service import EnvoyAlarms, configuration_of
from ndx_contracts.agreements import AgreementState
from ndx_testing.bus import AGREEMENTS, PERSON, Bus
from ndx_testing.envoy import EnvoyProcess, Provider, free_ports, running_envoy, serving, until
from prometheus_client import CollectorRegistry, generate_latest

G03 = "G03:insurance-link"
PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}


async def two_copies(live: Bus, other: int) -> None:
    """Say that the population service has a second copy."""
    doors = live.snapshot.doors
    both = f"{doors.upstreams['population']}, 127.0.0.1:{other}"
    await live.apply(doors=replace(doors, upstreams={**doors.upstreams, "population": both}))


class TestCopies:
    async def test_when_one_copy_goes_no_call_fails(self, live: Bus) -> None:
        """Its connection is refused, and the other one is asked: before Envoy has looked, and after."""
        (port,) = free_ports(1)
        folder, other = live.pki.folder, Provider()
        keys = {"cert": folder / "provider.crt", "key": folder / "provider.key"}
        async with live.caller(G03) as client:
            async with serving(other, port, client_ca=folder / "internal-ca.crt", **keys):
                await two_copies(live, port)
                statuses = [(await client.get(PERSON, headers=PURPOSE)).status_code for _ in range(20)]
            taken = len(other.received)
            statuses += [(await client.get(PERSON, headers=PURPOSE)).status_code for _ in range(20)]
        assert set(statuses) == {200}
        assert 0 < taken == len(other.received)
        assert len(live.provider.received) + taken == 40

    async def test_a_copy_that_answers_unavailable_is_left_out(self, live: Bus) -> None:
        (port,) = free_ports(1)
        refused: list[bool] = []
        folder, bad = live.pki.folder, Provider()
        bad.answers[PERSON] = (503, {})
        keys = {"cert": folder / "provider.crt", "key": folder / "provider.key"}
        async with serving(bad, port, client_ca=folder / "internal-ca.crt", **keys):
            await two_copies(live, port)
            async with live.caller(G03) as client:

                async def left_out() -> bool:
                    answer = await client.get(PERSON, headers=PURPOSE)
                    refused.append(answer.status_code != 200)
                    # Two copies take turns: four good answers in a row come from one.
                    return any(refused) and not any(refused[-4:])

                await until(left_out, what="the copy's ejection")
                after = [(await client.get(PERSON, headers=PURPOSE)).status_code for _ in range(10)]
        # What a copy answered is not asked for again elsewhere: only its caller knows whether that is safe.
        assert sum(refused) == len(bad.received) >= 5
        assert after == [200] * 10

    async def test_a_copy_that_is_not_ready_gets_no_new_call_and_is_back_when_it_is(self, live: Bus) -> None:
        """It goes on serving: what runs is answered, and so is what comes before Envoy has noticed."""
        (port,) = free_ports(1)
        folder, other = live.pki.folder, Provider()
        keys = {"cert": folder / "provider.crt", "key": folder / "provider.key"}
        statuses: list[int] = []
        async with (
            serving(other, port, client_ca=folder / "internal-ca.crt", **keys),
            live.caller(G03) as client,
        ):
            await two_copies(live, port)

            async def calls_to_other() -> int:
                """Return how many of four calls in a row came to the other copy: they take turns."""
                before = len(other.received)
                got = [await client.get(PERSON, headers=PURPOSE) for _ in range(4)]
                statuses.extend(answer.status_code for answer in got)
                return len(other.received) - before

            async def shares() -> bool:
                return 0 < await calls_to_other() < 4

            await until(shares, what="the second copy's share")
            other.ready = False

            async def left_out() -> bool:
                return await calls_to_other() == 0

            await until(left_out, what="the copy's being left out")
            assert [await calls_to_other() for _ in range(5)] == [0] * 5
            other.ready = True
            await until(shares, what="the copy's return")
            # When no copy is ready each is tried: the provider's own answer says more than Envoy's would.
            other.ready = live.provider.ready = False
            try:

                async def none_ready() -> bool:
                    assert live.envoy is not None
                    found = await live.envoy.stats("membership_healthy")
                    return found["cluster.svc-population.membership_healthy"] == 0

                await until(none_ready, what="that neither counts as ready")
                await until(shares, what="calls to both")
            finally:
                live.provider.ready = True
        assert set(statuses) == {200}

    async def test_a_call_to_the_control_plane_waits_while_that_is_restarted(self, live: Bus) -> None:
        assert live.envoy is not None
        (port,) = free_ports(1)
        folder, doors = live.pki.folder, live.snapshot.doors
        keys = {"cert": folder / "provider.crt", "key": folder / "provider.key"}
        upstreams = {**doors.upstreams, "gateway": f"127.0.0.1:{port}"}
        await live.apply(doors=replace(doors, upstreams=upstreams))

        async def tried_again() -> bool:
            assert live.envoy is not None
            found = await live.envoy.stats("cluster.svc-gateway.upstream_rq_retry")
            return found["cluster.svc-gateway.upstream_rq_retry"] > 0

        async with live.caller(G03) as client:
            waiting = asyncio.create_task(client.get("/v1/agencies"))
            await until(tried_again, what="another try")
            assert not waiting.done()
            async with serving(Provider(), port, client_ca=folder / "internal-ca.crt", **keys):
                assert (await waiting).status_code == 200


@asynccontextmanager
async def second_envoy(live: Bus, folder: Path) -> AsyncIterator[tuple[Settings, EnvoyProcess]]:
    """Run another Envoy with doors of its own, as two on one machine need."""
    listener, citizen, admin, health = free_ports(4)
    settings = live.settings.model_copy(
        update={
            "admin_port": admin,
            "node": "envoy-2",
            "door_ports": (listener, citizen),
            "health_port": health,
            "envoy_drain_seconds": 0.5,
        }
    )
    async with running_envoy(bootstrap(settings), folder) as envoy:
        await until(lambda: "envoy-2" in live.server.envoys, what="the second Envoy")
        await live.server.wait_settled()
        await until(envoy.ready, what="the second Envoy's first configuration")
        yield settings, envoy


def ports(settings: Settings) -> tuple[int, int]:
    assert settings.door_ports is not None
    assert settings.health_port is not None
    return settings.door_ports[0], settings.health_port


class TestTwoEnvoys:
    async def test_both_refuse_what_is_suspended_and_one_that_went_without_a_word_is_missed(
        self, live: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with second_envoy(live, tmp_path) as (settings, _):
            suspended = AGREEMENTS[0].model_copy(update={"state": AgreementState.SUSPENDED})
            await live.apply(agreements=[suspended, *AGREEMENTS[1:]])
            for port in (None, ports(settings)[0]):
                async with live.caller(G03, port=port) as client:
                    answer = await client.get(PERSON, headers=PURPOSE)
                assert answer.json()["code"] == "agreement-suspended"
            seen = configuration_of(live.server)
            assert seen.in_order
            assert [e.node for e in seen.envoys] == ["envoy-1", "envoy-2"]
            assert all(e.up_to_date_since for e in seen.envoys)
        await until(lambda: live.server.envoys == ["envoy-1"], what="the second Envoy's end")
        seen = configuration_of(live.server)
        assert not seen.in_order
        listed = [
            ("envoy-1", False, True),
            ("envoy-2", True, False),
        ]
        assert [(e.node, bool(e.disconnected_at), bool(e.up_to_date_since)) for e in seen.envoys] == listed
        registry = CollectorRegistry()
        registry.register(EnvoyAlarms(live.server))
        page = generate_latest(registry).decode()
        assert 'ndx_configuration_envoy_away_seconds{ndx_envoy_node="envoy-2"}' in page
        # After its time nobody waits for it any more, but it stays to be seen.
        monkeypatch.setattr(live.server, "_missed", timedelta(0))
        seen = configuration_of(live.server)
        assert seen.in_order
        assert [(e.node, bool(e.disconnected_at), bool(e.up_to_date_since)) for e in seen.envoys] == listed

    async def test_one_that_leaves_says_so_to_balancers_callers_and_the_control_plane(
        self, live: Bus, tmp_path: Path
    ) -> None:
        live.provider.hold[PERSON] = asyncio.Event()
        async with second_envoy(live, tmp_path) as (settings, envoy):
            port, health = ports(settings)
            async with live.caller(G03, port=port) as client, httpx.AsyncClient() as balancer:

                async def ready() -> int:
                    return (await balancer.get(f"http://127.0.0.1:{health}/ready")).status_code

                assert await ready() == 200
                before = len(live.provider.received)
                running = asyncio.create_task(client.get(PERSON, headers=PURPOSE))
                await until(lambda: len(live.provider.received) > before, what="a call under way")
                leaving = asyncio.create_task(drain(settings))

                async def refused() -> bool:
                    return await ready() == 503

                await until(refused, what="word to the balancers")
                live.provider.hold[PERSON].set()
                answers = [await running, await client.get(PERSON, headers=PURPOSE)]
                assert [a.status_code for a in answers] == [200, 200]
                assert [a.headers["connection"] for a in answers] == ["close", "close"]
                assert await leaving
            envoy.process.terminate()
        await until(lambda: live.server.envoys == ["envoy-1"], what="the second Envoy's end")
        seen = configuration_of(live.server)
        assert seen.in_order
        assert [e.node for e in seen.envoys] == ["envoy-1"]

    async def test_one_starts_although_a_provider_swallows_all_that_it_is_asked(
        self, live: Bus, tmp_path: Path
    ) -> None:
        """Envoy waits for its first look at each provider: no longer than one look may take."""
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen(1)
            doors = live.snapshot.doors
            lost = {**doors.upstreams, "tax": f"127.0.0.1:{silent.getsockname()[1]}"}
            await live.apply(doors=replace(doors, upstreams=lost))
            async with (
                second_envoy(live, tmp_path) as (settings, _),
                live.caller(G03, port=ports(settings)[0]) as client,
            ):
                assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200

    async def test_one_leaves_although_the_control_plane_is_away(self, live: Bus) -> None:
        (nobody,) = free_ports(1)
        assert not await tell(live.settings.model_copy(update={"xds_port": nobody}))


class TestRefusedVersions:
    async def test_the_page_of_metrics_shows_a_refusal_until_the_next_good_version(self, live: Bus) -> None:
        registry = CollectorRegistry()
        registry.register(EnvoyAlarms(live.server))
        line = 'ndx_configuration_refused{ndx_configuration_type="Listener",ndx_envoy_node="envoy-1"} 1.0'
        good = compile_resources(live.snapshot)
        broken = Resource("agencies", good[protos.CDS]["svc-auth"].body, "broken")
        assert line not in generate_latest(registry).decode()
        try:
            live.server.publish({protos.LDS: {**good[protos.LDS], "agencies": broken}})
            await live.server.wait_settled()
            assert line in generate_latest(registry).decode()
        finally:
            live.server.publish(good)
            await live.server.wait_settled()
        assert line not in generate_latest(registry).decode()


class TestAlerts:
    def test_each_asks_for_a_metric_that_there_is_and_says_where_to_read_on(self) -> None:
        root = Path(__file__).resolve().parents[3]
        (group,) = yaml.safe_load((root / "deploy/alerts/configuration.yaml").read_text())["groups"]
        shown = {family.name for family in EnvoyAlarms(ConfigServer()).collect()}
        asked = {re.findall(r"\((ndx_\w+)\)", rule["expr"])[-1] for rule in group["rules"]}
        assert asked == shown
        assert all((root / rule["annotations"]["what_to_do"]).exists() for rule in group["rules"])
