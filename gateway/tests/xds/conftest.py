"""One bus for all tests here: a real Envoy, the configuration server, a provider, a span collector."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from gateway.authorities.service import Issuer
from gateway.settings import Settings
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.server import ConfigServer
from gateway.xds.snapshot import Doors, Snapshot
from ndx_testing.bus import (
    AGENCIES,
    AGREEMENTS,
    ISSUER,
    OPERATIONS,
    OPERATORS,
    PING_SECONDS,
    SERVICES,
    TODAY,
    Bus,
    Pki,
    Tokens,
)
from ndx_testing.envoy import JWKS, Provider, free_ports, running_envoy, serving, until


def impatient(document: dict[str, Any]) -> dict[str, Any]:
    """Let Envoy make sure of its line so often that a test need not wait for it."""
    (cluster,) = document["static_resources"]["clusters"]
    (options,) = cluster["typed_extension_protocol_options"].values()
    http2 = options["explicit_http_config"]["http2_protocol_options"]
    http2["connection_keepalive"]["interval"] = f"{PING_SECONDS:g}s"
    # A machine that stands still for some seconds is no reason to hang up.
    http2["connection_keepalive"]["timeout"] = "60s"
    return document


@pytest_asyncio.fixture(scope="session")
async def running_bus(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Bus]:
    """Start all parts once."""
    folder = tmp_path_factory.mktemp("bus")
    pki = Pki(folder)
    listener, citizen, admin, xds, upstream, collector_port, nobody = free_ports(7)
    settings = Settings(
        database_url="postgresql://nobody@localhost/nothing",
        state_dir=folder,
        listener_port=listener,
        citizen_port=citizen,
        admin_port=admin,
        xds_port=xds,
    )
    doors = Doors(
        address="127.0.0.1",
        listener_port=listener,
        citizen_port=citizen,
        upstreams=dict.fromkeys(SERVICES, f"127.0.0.1:{upstream}") | {"insurance": f"127.0.0.1:{nobody}"},
        issuer=ISSUER,
        access_log=str(folder / "access.log"),
        zipkin=f"127.0.0.1:{collector_port}",
        otlp="",
        sampling=100.0,
        provider_requests=8,
        citizen_per_second=10,
        source_per_second=2,
    )
    snapshot = Snapshot(
        agencies=AGENCIES,
        operators=OPERATORS,
        revoked={},
        agreements=AGREEMENTS,
        operations=OPERATIONS,
        material=pki.material([]),
        doors=doors,
        today=TODAY,
        issuers=(Issuer("CN=agency CA"),),
    )
    tokens = Tokens()
    provider, collector = Provider(), Provider()
    provider.answers[JWKS] = (200, tokens.jwks())
    collector.answers["/api/v2/spans"] = (202, {})
    bus = Bus(
        pki, tokens, provider, collector, ConfigServer(), snapshot, snapshot, settings, folder / "access.log"
    )
    bus.server.publish(compile_resources(snapshot))
    await bus.start_control_plane()
    try:
        async with (
            serving(
                provider,
                upstream,
                cert=folder / "provider.crt",
                key=folder / "provider.key",
                client_ca=folder / "internal-ca.crt",
            ) as bus.provider_server,
            serving(collector, collector_port),
            running_envoy(impatient(bootstrap(settings)), folder) as envoy,
        ):
            bus.envoy = envoy
            await until(envoy.ready, what="Envoy's first configuration")
            await bus.server.wait_settled()
            assert bus.server.refused == {}
            yield bus
    finally:
        await bus.grpc.stop(grace=None)


@pytest_asyncio.fixture
async def live(running_bus: Bus) -> AsyncIterator[Bus]:
    """Give the bus, and put it back as it was."""
    running_bus.provider.received.clear()
    running_bus.server.away.clear()
    yield running_bus
    await running_bus.put_back()
