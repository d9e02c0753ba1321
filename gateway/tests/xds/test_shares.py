"""Several Envoys under one name: who is gone leaves its share to the others, as soon as the name says so."""

import asyncio
import struct
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from gateway.xds.bootstrap import ENVOYS, bootstrap
from gateway.xds.compile import compile_resources
from gateway.xds.server import ConfigServer, serve
from gateway.xds.source import doors_of
from ndx_contracts.agreements import Quotas
from ndx_testing.bus import Bus, agreement
from ndx_testing.envoy import EnvoyProcess, free_ports, running_envoy, until

pytestmark = pytest.mark.integration
UNITS = "/population/v1/admin-units"
BURST = 20
CALLERS = ("H79.001:his", "G03:insurance-link", "G04:tax-link")


class Names(asyncio.DatagramProtocol):
    """A name server that knows one name, and what it leads to at this moment."""

    def __init__(self) -> None:
        self.addresses = ["127.0.0.2", "127.0.0.3"]
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        """Answer with every address; the answer may be kept for a minute, which nobody should."""
        end = data.index(b"\0", 12) + 5
        asked_for_ipv4 = data[end - 4 : end - 2] == b"\0\x01"
        records = [
            b"\xc0\x0c" + struct.pack(">HHIH4B", 1, 1, 60, 4, *map(int, address.split(".")))
            for address in self.addresses
            if asked_for_ipv4
        ]
        head = data[:2] + struct.pack(">HHHHH", 0x8580, 1, len(records), 0, 0)
        assert self._transport is not None
        self._transport.sendto(head + data[12:end] + b"".join(records), addr)


@asynccontextmanager
async def names() -> AsyncIterator[tuple[Names, int]]:
    loop = asyncio.get_running_loop()
    transport, served = await loop.create_datagram_endpoint(Names, local_addr=("127.0.0.1", 0))
    try:
        yield served, transport.get_extra_info("sockname")[1]
    finally:
        transport.close()


def asking(described: dict[str, Any], port: int) -> dict[str, Any]:
    """Let the Envoys' cluster ask our name server, as a cluster's Envoys ask theirs."""
    (cluster,) = (c for c in described["static_resources"]["clusters"] if c["name"] == ENVOYS)
    kind = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    place = {"socket_address": {"address": "127.0.0.1", "port_value": port}}
    cluster["typed_dns_resolver_config"] = {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {"@type": kind, "resolvers": [place]},
    }
    return described


async def test_the_share_of_one_that_is_gone_comes_back_with_the_name(live: Bus, tmp_path: Path) -> None:
    xds, door, citizen, admin = free_ports(4)
    settings = live.settings.model_copy(
        update={
            "xds_port": xds,
            "envoys": "envoys.test:8443",
            "node": "envoy-1",
            "admin_port": admin,
            "door_ports": (door, citizen),
        }
    )
    quotas = Quotas(per_second=1, burst=BURST)
    terms = [
        agreement(f"DSA-{caller.partition(':')[0]}-1", ["population.list_admin_units"], quotas=quotas)
        for caller in CALLERS
    ]
    doors = replace(live.snapshot.doors, shared_rates=doors_of(settings).shared_rates, provider_requests=1000)
    server = ConfigServer()
    server.publish(compile_resources(replace(live.snapshot, doors=doors, agreements=terms)))
    grpc = await serve(server, address=f"127.0.0.1:{xds}", folder=live.pki.folder)

    async def members(envoy: EnvoyProcess, wanted: int) -> bool:
        found = await envoy.stats(f"cluster.{ENVOYS}.membership_total")
        return list(found.values()) == [wanted]

    async def let_in(caller: str) -> tuple[int, float]:
        """Call until it is too much; return how many calls were let in, and in how many seconds."""
        began, good = time.monotonic(), 0
        async with live.caller(caller, port=door) as client:
            while (await client.get(UNITS)).status_code == 200 and good < 3 * BURST:
                good += 1
        return good, time.monotonic() - began

    try:
        async with names() as (served, port):
            described = asking(bootstrap(settings), port)
            async with running_envoy(described, tmp_path) as envoy:
                await until(envoy.ready, what="Envoy's first configuration")
                await server.wait_settled()
                assert server.refused == {}
                allowed = []
                for caller, there in zip(CALLERS, (2, 1, 2), strict=True):
                    served.addresses = ["127.0.0.2", "127.0.0.3"][:there]
                    await until(partial(members, envoy, there), seconds=30, what="the name's answer")
                    allowed.append(await let_in(caller))
    finally:
        await grpc.stop(grace=None)
    for (good, seconds), share in zip(allowed, (0.5, 1, 0.5), strict=True):
        # What comes in anew while it is called counts by the same share.
        assert share * BURST <= good <= share * (BURST + seconds) + 1, allowed
