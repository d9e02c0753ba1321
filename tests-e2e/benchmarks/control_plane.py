"""A real control plane over a registry as large as wanted, with an Envoy and a provider, for benchmarks."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import nginx
import psutil
from bus import OPERATIONS, SERVICES, agreements_of, code
from harness import CPUS, OUT, ROOT, CannotMeasure
from ndx_demo.door import Door
from ndx_demo.enrolment import Credentials, enrol_system
from ndx_local import postgres
from ndx_local.parts import envoy_command
from ndx_testing.envoy import free_ports

_PATIENCE = 120.0


@dataclass
class ControlPlane:
    """The running parts, and the ways to them."""

    folder: Path
    env: dict[str, str]
    ports: dict[str, int]
    operator: Door
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.ports['listener']}"

    def enrol(self, number: int) -> Credentials:
        """Return a certificate of an agency's system, by a one-time code as everybody gets it."""
        trust = self.operator.context_without_certificate()
        with httpx.Client(base_url=f"https://localhost:{self.ports['citizen']}", verify=trust) as public:
            return enrol_system(self.operator, public, self.folder / "state", code(number), "core")

    def configuration(self) -> dict[str, Any]:
        answer = self.operator.get("/v1/configuration")
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def settled(self, seconds: float = _PATIENCE) -> dict[str, Any]:
        """Wait until every Envoy has taken what is published."""
        deadline = time.monotonic() + seconds
        found: dict[str, Any] = {}
        while time.monotonic() < deadline:
            # Until its first configuration Envoy has no door.
            with contextlib.suppress(httpx.TransportError):
                found = self.configuration()
                if found["in_order"]:
                    return found
            time.sleep(0.02)
        raise CannotMeasure(f"Envoy does not take the configuration: {found}")

    def memory(self, part: str) -> int:
        """Return the resident memory of a part and its children in MiB."""
        process = psutil.Process(self.processes[part].pid)
        everyone = [process, *process.children(recursive=True)]
        return int(sum(p.memory_info().rss for p in everyone) / 2**20)

    def start(self, part: str, *command: str) -> None:
        with (self.folder / f"{part}.log").open("ab") as out:
            self.processes[part] = subprocess.Popen(command, env=self.env, cwd=ROOT, stdout=out, stderr=out)

    def stop(self, part: str, *, kill: bool = False) -> None:
        process = self.processes.pop(part)
        if process.poll() is None:
            process.kill() if kill else process.terminate()
            process.wait(30)


def _catalogue(folder: Path) -> None:
    """Write OpenAPI documents of the synthetic operations, and the control plane's own."""
    folder.mkdir()
    for service in SERVICES:
        paths: dict[str, Any] = {}
        for operation in OPERATIONS:
            if operation.service == service:
                declared = {"door": "agency", "personal_data": True, "field_groups": [], "cost": 1, "acr": 1}
                get = {"operationId": operation.name.partition(".")[2], "x-ndx-operation": declared}
                paths[operation.path] = {"get": get}
        document = {"info": {"title": service}, "paths": paths}
        (folder / f"{service}.json").write_text(json.dumps(document))
    own = ROOT / "contracts" / "openapi" / "gateway.json"
    (folder / "gateway.json").write_text(own.read_text(encoding="utf-8"))


async def _fill(url: str, agencies: int) -> None:
    """Write the registry as it would be after years of work."""
    now = datetime.now(UTC)
    connection = await asyncpg.connect(url)
    try:
        rows = [(code(n), f"Cơ quan {n}", f"Agency {n}", "OTHER", "ACTIVE", now) for n in range(agencies)]
        await connection.copy_records_to_table(
            "agencies",
            records=rows,
            columns=["code", "name", "name_en", "agency_class", "state", "created_at"],
        )
        systems = [(code(n), "core", "ACTIVE", now) for n in range(agencies)]
        await connection.copy_records_to_table(
            "systems", records=systems, columns=["agency", "code", "state", "created_at"]
        )
        terms = []
        for n in range(agencies):
            for found in agreements_of(n):
                document = found.model_dump(
                    mode="json",
                    exclude={"agreement_id", "version", "state", "consumer_name", "consumer_name_en"},
                )
                head = (found.agreement_id, found.version, "ACTIVE", json.dumps(document))
                tail = (found.consumer_agency, found.provider_agency, found.valid_from, "NDX:an", now)
                terms.append((*head, *tail))
        columns = ["agreement_id", "version", "state", "terms", "consumer_agency", "provider_agency"]
        await connection.copy_records_to_table(
            "data_sharing_agreements",
            records=terms,
            columns=[*columns, "valid_from", "drafted_by", "updated_at"],
        )
        await connection.execute("ANALYZE")
    finally:
        await connection.close()


def _await_port(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    deadline = time.monotonic() + _PATIENCE
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise CannotMeasure(f"{log.name}: {log.read_text()[-1500:]}")
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        time.sleep(0.05)
    raise CannotMeasure(f"nothing answers at {url}")


def _environment(folder: Path, database: str, ports: dict[str, int]) -> dict[str, str]:
    state = folder / "state"
    upstreams = dict.fromkeys(SERVICES, f"127.0.0.1:{ports['provider']}")
    upstreams["gateway"] = f"127.0.0.1:{ports['gateway']}"
    services = state / "services"
    return {
        **os.environ,
        "GATEWAY_DATABASE_URL": database,
        "GATEWAY_DRAIN_SECONDS": "0",
        "GATEWAY_STATE_DIR": str(state),
        "GATEWAY_PORT": str(ports["gateway"]),
        "GATEWAY_LISTENER_PORT": str(ports["listener"]),
        "GATEWAY_CITIZEN_PORT": str(ports["citizen"]),
        "GATEWAY_ADMIN_PORT": str(ports["admin"]),
        "GATEWAY_XDS_PORT": str(ports["xds"]),
        "GATEWAY_UPSTREAMS": json.dumps(upstreams),
        "GATEWAY_ACCESS_LOG": str(folder / "access.log"),
        "GATEWAY_OPENAPI_DIR": str(folder / "openapi"),
        "GATEWAY_LEDGER_PSEUDONYM_KEY_FILE": str(state / "keys" / "ledger-pseudonym.key"),
        "GATEWAY_LEDGER_SIGNING_KEY_FILE": str(state / "keys" / "ledger-signing.pem"),
        "GATEWAY_TLS_CERT_FILE": str(services / "gateway.crt"),
        "GATEWAY_TLS_KEY_FILE": str(services / "gateway.key"),
        "GATEWAY_TLS_CLIENT_CA_FILE": str(state / "internal-ca.crt"),
        "NDX_LOG_LEVEL": "INFO",
    }


def _run(env: dict[str, str], *command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", *command], env=env, cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise CannotMeasure(f"{' '.join(command)}: {done.stderr[-1500:]}")


@contextmanager
def running_control_plane(agencies: int) -> Iterator[ControlPlane]:
    """Run everything in a folder of its own; the operator's door is open when it is given."""
    OUT.mkdir(parents=True, exist_ok=True)
    names = ("gateway", "listener", "citizen", "admin", "xds", "provider", "spans")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ndx-control-")))
        (folder / "postgres").mkdir()
        server = stack.enter_context(postgres.running(folder / "postgres"))
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        env = _environment(folder, server.url(), ports)
        _catalogue(folder / "openapi")
        _run(env, "ndx_chassis.migrations", "gateway")
        _run(env, "gateway.bootstrap")
        asyncio.run(_fill(server.url(), agencies))
        services = folder / "state" / "services"
        state = folder / "state"
        tls = nginx.Tls(services / "population.crt", services / "population.key", state / "internal-ca.crt")
        (folder / "nginx").mkdir()
        words = nginx.provider(folder / "nginx", tls, port=ports["provider"], spans_port=ports["spans"])
        stack.enter_context(nginx.running(folder / "nginx", "provider", words, ports["provider"], CPUS))
        _run(env, "gateway.xds.bootstrap", "--out", str(folder / "envoy.json"))
        trust = state / "gateway-ca.crt"
        if not trust.exists():
            trust = state / "agency-ca.crt"
        pair = state / "operators" / "NDX-an"
        door = Door(
            f"https://localhost:{ports['listener']}",
            pair.with_suffix(".crt"),
            pair.with_suffix(".key"),
            trust,
        )
        made = ControlPlane(folder, env, ports, stack.enter_context(door))
        try:
            made.start("gateway", sys.executable, "-m", "gateway.main")
            made.start("envoy", *envoy_command(str(folder / "envoy.json")))
            ready = f"http://127.0.0.1:{ports['admin']}/ready"
            _await_port(made.processes["envoy"], ready, folder / "envoy.log")
            made.settled()
            yield made
        finally:
            for part in list(made.processes):
                made.stop(part)
