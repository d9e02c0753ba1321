"""Keeps Envoy's configuration true: compiles after every change notice and pushes what differs."""

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from ndx_chassis.agreements import VIETNAM
from ndx_chassis.app import Runtime
from ndx_chassis.problems import is_connection_trouble, where
from ndx_chassis.telemetry import log

from gateway.agencies import service as agencies
from gateway.agreements import reading as agreements
from gateway.authorities import service as authorities
from gateway.catalogue import service as catalogue
from gateway.certificates import service as certificates
from gateway.certificates.authority import fits
from gateway.notices import CHANNEL
from gateway.settings import Settings
from gateway.xds.compile import compile_filters, compile_resources
from gateway.xds.server import ConfigServer, serve
from gateway.xds.snapshot import Doors, Material, Snapshot

_POLL_SECONDS = 30.0
_TOLD_ENDED = timedelta(days=365)
"""For how long a refusal says that an agreement ended."""


def _settings(runtime: Runtime) -> Settings:
    if not isinstance(runtime.settings, Settings):
        raise TypeError("the compiler needs the gateway's settings")
    return runtime.settings


def _pair(runtime: Runtime, state: Path, name: str) -> tuple[str, str]:
    """Return certificate and key; while a renewal replaces the files, those that were read before."""
    certificate = (state / f"{name}.crt").read_text(encoding="ascii")
    kept: dict[str, tuple[str, str]] = runtime.extras.setdefault("pairs", {})
    if name not in kept or kept[name][0] != certificate:
        key = state / f"{name}.key"
        if fits(certificate.encode(), key) or name not in kept:
            kept[name] = (certificate, key.read_text(encoding="ascii"))
    return kept[name]


def _material(runtime: Runtime, state: Path, trust: authorities.Trust) -> Material:
    def text(name: str) -> str:
        return (state / name).read_text(encoding="ascii")

    public_cert, public_key = _pair(runtime, state, "gateway-public")
    client_cert, client_key = _pair(runtime, state, "gateway-client")
    return Material(
        public_cert=public_cert,
        public_key=public_key,
        client_cert=client_cert,
        client_key=client_key,
        agency_ca=trust.anchors_pem,
        internal_ca=text("internal-ca.crt"),
        crl=trust.lists_pem,
    )


def doors_of(settings: Settings) -> Doors:
    return Doors(
        address=settings.listener_address,
        listener_port=settings.listener_port,
        citizen_port=settings.citizen_port,
        upstreams=dict(settings.upstreams),
        issuer=f"{settings.citizen_url}/auth",
        access_log=str(settings.access_log),
        zipkin=settings.zipkin_address,
        otlp=settings.otlp_address,
        sampling=settings.trace_sampling,
    )


async def load_snapshot(runtime: Runtime) -> Snapshot:
    """Read everything that the compiler needs in one transaction."""
    settings = _settings(runtime)
    today = datetime.now(UTC).astimezone(VIETNAM).date()
    async with runtime.sessions() as session:
        trust = await authorities.trust(session)
        return Snapshot(
            agencies=await agencies.registry(session),
            operators=await agencies.operators(session),
            revoked=await certificates.revoked_fingerprints(session),
            agreements=[
                *await agreements.enforceable(session),
                *await agreements.lately_ended(session, today - _TOLD_ENDED),
            ],
            operations=catalogue.all_operations(runtime),
            material=_material(runtime, settings.state_dir, trust),
            doors=doors_of(settings),
            today=today,
            issuers=trust.issuers,
        )


async def _refresh(runtime: Runtime, server: ConfigServer) -> None:
    started = time.monotonic()
    snapshot = await load_snapshot(runtime)
    if server.envoys:
        # A suspension must not wait for the routes of thousands of agreements.
        server.publish(await asyncio.to_thread(compile_filters, snapshot))
    server.publish(await asyncio.to_thread(compile_resources, snapshot))
    log.info("configuration_compiled", milliseconds=round((time.monotonic() - started) * 1000))


async def _follow(runtime: Runtime, server: ConfigServer) -> None:
    """Compile now, and again after every notice; the poll heals a lost connection."""
    noticed = asyncio.Event()
    while True:
        noticed.clear()
        try:
            connection = await asyncpg.connect(runtime.settings.asyncpg_dsn, timeout=5)
            try:
                await connection.add_listener(CHANNEL, lambda *_: noticed.set())
                connection.add_termination_listener(lambda *_: noticed.set())
                while not connection.is_closed():
                    noticed.clear()
                    await _refresh(runtime, server)
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(noticed.wait(), _POLL_SECONDS)
            finally:
                with contextlib.suppress(Exception):
                    await connection.close(timeout=1)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - Envoy keeps its last good configuration meanwhile
            if is_connection_trouble(error) or isinstance(error, asyncpg.PostgresError):
                log.warning("configuration_source_away", error=type(error).__name__)
            else:
                log.error("configuration_failed", error=type(error).__name__, where=where(error))
        await asyncio.sleep(0.5)


async def start(runtime: Runtime) -> None:
    """Start the configuration server and the task that keeps it current."""
    settings = _settings(runtime)
    state = settings.state_dir
    if not (state / "xds-server.crt").exists():
        log.warning("configuration_server_not_started", reason="no certificate; run gateway.bootstrap")
        return
    server = ConfigServer()
    runtime.extras["xds_grpc"] = await serve(
        server,
        address=f"{settings.xds_address}:{settings.xds_port}",
        folder=state,
    )
    runtime.extras["xds_server"] = server
    runtime.extras["xds_task"] = asyncio.create_task(_follow(runtime, server))


async def stop(runtime: Runtime) -> None:
    """Stop both."""
    task = runtime.extras.pop("xds_task", None)
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    server = runtime.extras.pop("xds_grpc", None)
    if server is not None:
        await server.stop(grace=0.5)
