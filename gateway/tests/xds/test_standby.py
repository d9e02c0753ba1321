"""An Envoy that starts while the control plane is away: it serves what was in force last, and goes back."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest_asyncio
from gateway.xds import protos, standby
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.resources import Resources
from gateway.xds.server import serve
from gateway.xds.standby import Standby, keep, kept
from ndx_testing.bus import AGREEMENTS, PERSON, Bus
from ndx_testing.envoy import free_ports, running_envoy, until

G03 = "G03:insurance-link"
PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}


def versions(resources: Resources) -> dict[str, dict[str, str]]:
    return {kind: {n: r.version for n, r in found.items()} for kind, found in resources.items() if found}


class TestKeeping:
    async def test_what_was_kept_is_read_back_and_is_for_the_owner_alone(
        self, running_bus: Bus, tmp_path: Path
    ) -> None:
        file = tmp_path / "kept"
        resources = compile_resources(running_bus.base)
        keep(file, resources)
        assert versions(kept(file)) == versions(resources)
        assert file.stat().st_mode & 0o077 == 0

    def test_a_file_that_is_no_configuration_is_none(self, tmp_path: Path) -> None:
        (tmp_path / "kept").write_bytes(b"\xff\xff half written")
        assert kept(tmp_path / "kept") == {}
        assert kept(tmp_path / "nothing") == {}


@pytest_asyncio.fixture
async def beside(live: Bus, tmp_path: Path, monkeypatch) -> AsyncIterator[tuple[Bus, Standby, int]]:
    """Give a standby that has followed the control plane, and its port."""
    monkeypatch.setattr(standby, "HAND_BACK_SECONDS", 0.5)
    (port,) = free_ports(1)
    made = Standby(live.pki.folder, f"127.0.0.1:{live.settings.xds_port}", tmp_path / "kept")
    server = await serve(made.server, address=f"127.0.0.1:{port}", folder=live.pki.folder)
    following = asyncio.create_task(made.run())
    try:
        await until(
            lambda: versions(made.server.current) == versions(live.server.current), what="the standby"
        )
        yield live, made, port
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)
        await server.stop(grace=None)


class TestStandby:
    async def test_a_change_reaches_it_and_its_file(self, beside: tuple[Bus, Standby, int]) -> None:
        live, made, _ = beside
        await live.apply(agreements=AGREEMENTS[1:])
        await until(lambda: versions(kept(made.file)) == versions(live.server.current), what="the file")
        assert sorted(live.server.envoys) == ["envoy-1", standby.NODE]

    async def test_an_envoy_starts_without_the_control_plane_and_returns_to_it(
        self, beside: tuple[Bus, Standby, int], tmp_path: Path
    ) -> None:
        live, made, port = beside
        await live.stop_control_plane()
        listener, citizen, admin = free_ports(3)
        settings = live.settings.model_copy(update={"admin_port": admin, "standby_port": port})
        document = bootstrap(settings)
        document["node"]["id"] = "envoy-2"
        # Two Envoys on one machine need doors of their own.
        doors = replace(live.snapshot.doors, listener_port=listener, citizen_port=citizen)
        made.server.publish({protos.LDS: compile_resources(replace(live.snapshot, doors=doors))[protos.LDS]})
        back = False
        try:
            async with running_envoy(document, tmp_path) as envoy:
                await until(envoy.ready, seconds=20, what="an Envoy without a control plane")
                async with live.caller(G03, port=listener) as client:
                    assert (await client.get(PERSON, headers=PURPOSE)).status_code == 200
                    refused = await client.get(PERSON, headers={"NDX-Purpose": "STATISTICS"})
                    assert refused.json()["code"] == "purpose-not-covered"
                    await live.start_control_plane()
                    back = True
                    await until(lambda: "envoy-2" in live.server.envoys, seconds=20, what="its return")
        finally:
            if not back:
                await live.start_control_plane()
            await until(lambda: "envoy-1" in live.server.envoys, seconds=30, what="Envoy's return")
