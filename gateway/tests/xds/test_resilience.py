"""Several copies of a service, several Envoys, and the alarm when one of them refuses its configuration."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gateway.xds import protos
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.resources import Resource
from gateway.xds.service import RefusedVersions, configuration_of
from gateway.xds.stream import Stream
from ndx_contracts.agreements import AgreementState
from ndx_testing.bus import AGREEMENTS, PERSON, Bus
from ndx_testing.envoy import Provider, free_ports, running_envoy, serving, until
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


class TestTwoEnvoys:
    async def test_both_refuse_what_is_suspended_and_one_that_left_is_shown(
        self, live: Bus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listener, citizen, admin = free_ports(3)
        # Two Envoys on one machine need doors of their own: the second one's differ in that alone.
        doors = replace(live.snapshot.doors, listener_port=listener, citizen_port=citizen)
        own = compile_resources(replace(live.snapshot, doors=doors))[protos.LDS]
        add = Stream._additions

        def additions(stream: Stream, kind: str, current: dict[str, Any]) -> Iterator[Any]:
            if stream.node == "envoy-2" and kind == protos.LDS:
                current = {n: replace(r, body=own[n].body) for n, r in current.items()}
            return add(stream, kind, current)

        monkeypatch.setattr(Stream, "_additions", additions)
        settings = live.settings.model_copy(update={"admin_port": admin, "node": "envoy-2"})
        async with running_envoy(bootstrap(settings), tmp_path):
            await until(lambda: "envoy-2" in live.server.envoys, what="the second Envoy")
            await live.server.wait_settled()
            suspended = AGREEMENTS[0].model_copy(update={"state": AgreementState.SUSPENDED})
            await live.apply(agreements=[suspended, *AGREEMENTS[1:]])
            for port in (None, listener):
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
        assert [(e.node, bool(e.disconnected_at), bool(e.up_to_date_since)) for e in seen.envoys] == [
            ("envoy-1", False, True),
            ("envoy-2", True, False),
        ]


class TestRefusedVersions:
    async def test_the_page_of_metrics_shows_a_refusal_until_the_next_good_version(self, live: Bus) -> None:
        registry = CollectorRegistry()
        registry.register(RefusedVersions(live.server))
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
