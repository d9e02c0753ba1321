"""A bus for the gateway's benchmarks: as many agencies as wanted, the compiler's own output, real Envoys.

Each agency has one system, one agreement with each of four providers, 20 of 150 operations and 3 purposes.
"""

import asyncio
import contextlib
import json
import random
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gateway.agencies.service import AgencyEntry, SystemEntry
from gateway.authorities import authority
from gateway.catalogue.operations import Operation
from gateway.quotas.desk import Order
from gateway.quotas.holders import Bucket
from gateway.settings import Settings
from gateway.xds import protos
from gateway.xds.bootstrap import bootstrap
from gateway.xds.compile import compile_resources, documents
from gateway.xds.listeners import agencies_listener
from gateway.xds.quota_server import answer_of, bucket_of
from gateway.xds.resources import Resources, from_documents
from gateway.xds.routes import CITIZENS
from gateway.xds.server import ConfigServer, serve
from gateway.xds.snapshot import Doors, Snapshot
from harness import BACK, FRONT, OUT, Load, pin, request
from ndx_contracts.agreements import Agreement, Quotas
from ndx_contracts.purposes import Purpose
from ndx_local.parts import envoy_command
from ndx_testing.bus import ISSUER, TODAY, Pki, agreement, operation
from ndx_testing.envoy import EnvoyProcess, free_ports, until
from nginx import Tls

MOST = 3000
_DRAWN = random.Random(4).sample(range(MOST), MOST)
"""Numbers of agencies: the first ten are in every configuration, and lie anywhere in the largest."""
SERVICES = ("population", "identity", "civil-registry", "insurance", "tax", "auth")
OPERATIONS_EACH, PROVIDERS_EACH, GRANTED_EACH = 25, 4, 5
CALLERS = 32
REQUESTS_EACH = 200
MANY = 1_000_000_000
QUOTAS = Quotas(per_second=100_000, burst=200_000, per_day=MANY)
Documents = dict[str, dict[str, dict[str, Any]]]
Change = Callable[[Documents], None]


def _operation(service: str, number: int) -> Operation:
    path = f"/{service}/v1/kind-{number:02d}"
    if number % 3:
        path += "/{id}"
    return operation(f"{service}.read_kind_{number:02d}", "GET", path, personal_data=True)


OPERATIONS = [_operation(s, n) for s in SERVICES for n in range(OPERATIONS_EACH)]


def code(number: int) -> str:
    return f"A{number:04d}"


def agencies_of(count: int) -> list[int]:
    """Return the numbers of the agencies of a configuration; a smaller one's are among a larger one's."""
    return _DRAWN[:count]


def agreements_of(number: int) -> list[Agreement]:
    """Return an agency's agreements; which operations and purposes they hold depends on its number."""
    purposes = list(Purpose)
    chosen = tuple(purposes[(number + i) % len(purposes)] for i in range(3))
    found = []
    for n in range(PROVIDERS_EACH):
        service = SERVICES[(number + n) % len(SERVICES)]
        kinds = [(number * 7 + n + i * 5) % OPERATIONS_EACH for i in range(GRANTED_EACH)]
        names = [_operation(service, kind).name for kind in sorted(set(kinds))]
        found.append(agreement(f"DSA-{code(number)}-{n + 1}", names, purposes=chosen, quotas=QUOTAS))
    return found


def requests_of(number: int) -> list[bytes]:
    """Return what an agency asks: its operations in turn, under a purpose that covers them."""
    by_name = {o.name: o for o in OPERATIONS}
    allowed = [(by_name[g.operation], a) for a in agreements_of(number) for g in a.operations]
    found = []
    for n in range(REQUESTS_EACH):
        asked, terms = allowed[n * 7 % len(allowed)]
        path = asked.path.replace("{id}", f"{number:04d}{n:08d}")
        headers = {"NDX-Purpose": terms.purposes[n % 3].value, "Accept": "application/json"}
        found.append(request("GET", path, headers))
    return found


@dataclass
class Ports:
    """Where everything listens."""

    provider: int
    spans: int
    ceiling: int


@dataclass
class Ground:
    """What all buses of a run share: authorities, certificates, ports of provider and collector."""

    folder: Path
    quotas: dict[int, Quotas] = field(default_factory=dict)
    """Quotas of single agencies that have others than everybody."""
    ports: Ports = field(init=False)
    pki: Pki = field(init=False)

    def __post_init__(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.pki = Pki(self.folder)
        names = [f"{s}.ndx.internal" for s in SERVICES]
        authority.issue_server(self.pki.internal, self.folder, "services", names)
        self.ports = Ports(*free_ports(3))

    def pair(self, name: str, ca: str) -> Tls:
        return Tls(self.folder / f"{name}.crt", self.folder / f"{name}.key", self.folder / f"{ca}.crt")

    def load(self, port: int, callers: int, **watch: Sequence[int]) -> Load:
        """Return the load of so many agencies: the same ones, with the same calls, whoever else is there."""
        numbers = agencies_of(callers)
        return Load(
            port=port,
            callers=[self.pki.client(f"urn:ndx:agency:{code(n)}:core") for n in numbers],
            ca=self.folder / "agency-ca.crt",
            requests=[requests_of(n) for n in numbers],
            watch=watch,
            cpus=BACK,
        )

    def direct(self, callers: int) -> Load:
        """Return the load that asks the provider itself, as the gateway does."""
        numbers = agencies_of(callers)
        return Load(
            port=self.ports.provider,
            callers=[(self.folder / "gateway-client.crt", self.folder / "gateway-client.key")],
            ca=self.folder / "internal-ca.crt",
            name=f"{SERVICES[0]}.ndx.internal",
            requests=[[r for n in numbers for r in requests_of(n)]],
            cpus=BACK,
        )

    def _agreements(self, number: int) -> list[Agreement]:
        found, other = agreements_of(number), self.quotas.get(number)
        return found if other is None else [a.model_copy(update={"quotas": other}) for a in found]

    def snapshot(self, agencies: int, doors: Doors) -> Snapshot:
        numbers = sorted(agencies_of(agencies))
        return Snapshot(
            agencies=[AgencyEntry(code(n), "ACTIVE", [SystemEntry("core", "ACTIVE")]) for n in numbers],
            operators=[],
            revoked={},
            agreements=[a for n in numbers for a in self._agreements(n)],
            operations=OPERATIONS,
            material=self.pki.material([]),
            doors=doors,
            today=TODAY,
        )


class Generous(protos.rlqs_pb2_grpc.RateLimitQuotaServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Assigns each bucket of a quota by day more than any measurement uses."""

    async def StreamRateLimitQuotas(  # noqa: N802 - the protocol's name
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        """Answer every report."""
        del context
        known: set[Bucket] = set()
        async for report in requests:
            answer = protos.rlqs_pb2.RateLimitQuotaResponse()
            for usage in report.bucket_quota_usages:
                bucket = bucket_of(usage)
                if bucket is not None:
                    answer_of(Order(1, bucket, MANY, again=bucket in known), answer)
                    known.add(bucket)
            yield answer


@dataclass
class Bus:
    """One Envoy with its configuration."""

    envoy: EnvoyProcess
    load: Load
    config_bytes: int
    port: int


def routes_in(tree: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every route below a host's tree of paths."""
    nodes = [tree["on_no_match"]] if "on_no_match" in tree else []
    for kind in ("exact_match_map", "prefix_match_map"):
        nodes += tree["matcher_tree"].get(kind, {"map": {}})["map"].values()
    for node in nodes:
        if "matcher" in node:
            yield from routes_in(node["matcher"])
        else:
            yield from node["action"]["typed_config"]["routes"]


def _resources(snapshot: Snapshot, change: Change | None) -> Resources:
    """Compile; a change is made to the documents of the agencies' door."""
    resources = compile_resources(snapshot)
    if change is None:
        return resources
    found = documents(resources)
    found[protos.LDS] = {"agencies": agencies_listener(snapshot.doors)}
    del found[protos.RDS][CITIZENS]
    change(found)
    return {kind: from_documents(kind, of_kind) for kind, of_kind in found.items()}


@asynccontextmanager
async def _envoy(document: dict[str, Any], folder: Path) -> AsyncIterator[EnvoyProcess]:
    """Start Envoy as the stack does, on one core."""
    file, log = folder / "envoy.json", folder / "envoy.log"
    file.write_text(json.dumps(document))
    with log.open("wb") as out:
        process = await asyncio.create_subprocess_exec(*envoy_command(str(file)), stdout=out, stderr=out)
    try:
        pin(process.pid, FRONT)
        port = document["admin"]["address"]["socket_address"]["port_value"]
        yield EnvoyProcess(process, f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        await process.wait()


@asynccontextmanager
async def running_bus(
    ground: Ground, name: str, *, agencies: int, change: Change | None = None
) -> AsyncIterator[Bus]:
    """Compile for so many agencies, change the documents, serve them, and start an Envoy on one core."""
    folder = ground.folder / name
    folder.mkdir()
    for file in ground.folder.glob("*.*"):
        shutil.copy(file, folder)
    listener, citizen, admin, xds = free_ports(4)
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
        upstreams=dict.fromkeys(SERVICES, f"127.0.0.1:{ground.ports.provider}"),
        issuer=ISSUER,
        access_log=str(folder / "access.log"),
        zipkin=f"127.0.0.1:{ground.ports.spans}",
        otlp="",
        sampling=10.0,
    )
    resources = _resources(ground.snapshot(agencies, doors), change)
    server = ConfigServer()
    server.publish(resources)
    grpc = await serve(
        server,
        address=f"127.0.0.1:{xds}",
        folder=folder,
        quotas=Generous(),
    )
    try:
        async with _envoy(bootstrap(settings), folder) as envoy:
            await until(envoy.ready, seconds=120, what="Envoy's first configuration")
            async with asyncio.timeout(120):
                await server.wait_settled()
            if server.refused:
                raise ValueError(f"Envoy refuses the configuration of {name}: {server.refused}")
            pin(envoy.process.pid, FRONT)
            load = ground.load(listener, min(CALLERS, agencies), envoy=[envoy.process.pid])
            size = sum(len(r.body.value) for k in resources.values() for r in k.values())
            yield Bus(envoy, load, size, listener)
    finally:
        with contextlib.suppress(asyncio.CancelledError):
            await grpc.stop(grace=None)


def ground() -> Ground:
    return Ground(OUT / "bus")
