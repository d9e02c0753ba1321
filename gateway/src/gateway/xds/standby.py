"""Command `python -m gateway.xds.standby`: lets an Envoy start while the control plane is away.

It runs beside an Envoy, follows the control plane as an Envoy does, and keeps the last configuration in a
file. An Envoy that cannot reach the control plane gets it from here, as old as it is; when the control plane
is back it is sent there again. What runs does not need it: an Envoy keeps what it has. Where the control
plane cannot read Envoy's log, it sends that as well (`shipping`).
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from ndx_chassis.problems import where
from ndx_chassis.telemetry import configure_logging, log

from gateway.settings import Settings
from gateway.xds import protos
from gateway.xds.channel import control_plane
from gateway.xds.quota_server import EvenPace
from gateway.xds.resources import Resource, Resources
from gateway.xds.server import ConfigServer, serve
from gateway.xds.shipping import Shipper

NODE = "standby"
QUIET_SECONDS = 0.3
"""Without a change for so long, what came is one configuration and is kept."""
HAND_BACK_SECONDS = 1.0
"""How long the control plane must have been reachable before Envoys are sent back to it, and how often. An
Envoy that starts together with the control plane may come here first, and hears of changes late meanwhile."""
_RETRY_SECONDS = 0.5


def keep(file: Path, resources: Resources) -> None:
    """Write a configuration whole or not at all; it holds private keys, so for the owner alone."""
    everything = protos.discovery_pb2.DeltaDiscoveryResponse(
        resources=[
            protos.discovery_pb2.Resource(name=r.name, version=r.version, resource=r.body)
            for kind in protos.ORDER
            for r in resources.get(kind, {}).values()
        ]
    )
    beside = file.with_suffix(".new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(everything.SerializeToString())
        out.flush()
        os.fsync(out.fileno())
    beside.replace(file)


def kept(file: Path) -> Resources:
    """Return what `keep` wrote last; nothing when there is no file or it cannot be read."""
    try:
        everything = protos.discovery_pb2.DeltaDiscoveryResponse.FromString(file.read_bytes())
    except FileNotFoundError:
        return {}
    except (DecodeError, OSError) as error:
        log.error("kept_configuration_unreadable", error=type(error).__name__)
        return {}
    found: Resources = {}
    for r in everything.resources:
        found.setdefault(r.resource.type_url, {})[r.name] = Resource(r.name, r.resource, r.version)
    return found


@dataclass
class Standby:
    """The configuration server of one Envoy for the time when the control plane is away."""

    folder: Path
    control_plane: str
    file: Path
    node: str = NODE
    server: ConfigServer = field(default_factory=ConfigServer)
    followed_since: float | None = None
    """Since when the control plane has been reachable; None while it is not."""
    _had: Resources = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._had = kept(self.file)
        if self._had:
            self.server.publish(self._had)

    async def run(self) -> None:
        """Follow the control plane for ever."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_back())
            tasks.create_task(self._follow())

    async def _follow(self) -> None:
        while True:
            try:
                await self._stream()
            except (grpc.RpcError, OSError) as error:
                log.warning("control_plane_away", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - following must go on
                log.error("standby_failed", error=type(error).__name__, where=where(error))
            finally:
                self.followed_since = None
            await asyncio.sleep(_RETRY_SECONDS)

    async def _stream(self) -> None:
        async with control_plane(self.folder, self.control_plane) as channel:
            stub = protos.ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel)
            call = stub.DeltaAggregatedResources()
            for kind in protos.ORDER:
                have = {name: r.version for name, r in self._had.get(kind, {}).items()}
                await call.write(
                    protos.discovery_pb2.DeltaDiscoveryRequest(
                        node={"id": self.node},
                        type_url=kind,
                        resource_names_subscribe=["*"],
                        initial_resource_versions=have,
                    )
                )
            async with contextlib.aclosing(_answers(call)) as answers:
                changed = False
                async for answer in answers:
                    if answer is None:
                        if changed:
                            await self._take()
                        changed = False
                        continue
                    self.followed_since = self.followed_since or time.monotonic()
                    self._apply(answer)
                    changed = True
                    await call.write(
                        protos.discovery_pb2.DeltaDiscoveryRequest(
                            type_url=answer.type_url, response_nonce=answer.nonce
                        )
                    )

    def _apply(self, answer: Any) -> None:
        found = dict(self._had.get(answer.type_url, {}))
        found |= {r.name: Resource(r.name, r.resource, r.version) for r in answer.resources}
        for name in answer.removed_resources:
            found.pop(name, None)
        self._had = {**self._had, answer.type_url: found}

    async def _take(self) -> None:
        self.server.publish(self._had)
        await asyncio.to_thread(keep, self.file, self._had)
        log.info("configuration_kept")

    async def _hand_back(self) -> None:
        """Send Envoys back, again and again: one that cannot reach the control plane comes here meanwhile."""
        while True:
            await asyncio.sleep(HAND_BACK_SECONDS)
            since = self.followed_since
            if since is not None and time.monotonic() - since >= HAND_BACK_SECONDS:
                self.server.end_streams()


async def _answers(call: Any) -> AsyncGenerator[Any, None]:
    """Give the control plane's answers, and None whenever it has been quiet for a while."""
    reading = asyncio.ensure_future(call.read())
    try:
        while True:
            done, _ = await asyncio.wait([reading], timeout=QUIET_SECONDS)
            if not done:
                yield None
                await asyncio.wait([reading])
            answer = reading.result()
            if answer is grpc.aio.EOF:  # type: ignore[attr-defined]  # not in the stubs
                return
            yield answer
            reading = asyncio.ensure_future(call.read())
    finally:
        reading.cancel()
        call.cancel()


async def run(settings: Settings) -> None:
    """Serve until a signal arrives."""
    standby = Standby(
        settings.state_dir,
        f"{settings.xds_address}:{settings.xds_port}",
        settings.configuration_file or settings.state_dir / "configuration.kept",
    )
    server = await serve(
        standby.server,
        address=f"127.0.0.1:{settings.standby_port}",
        folder=settings.state_dir,
        quotas=EvenPace(),
    )
    tasks = [asyncio.create_task(standby.run())]
    if settings.ship_access_log:
        shipper = Shipper(settings.state_dir, standby.control_plane, settings.node, settings.access_log)
        tasks.append(asyncio.create_task(shipper.run()))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    await stopped.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.stop(grace=0.5)


def main() -> int:
    """Run beside an Envoy; settings are those of the control plane."""
    settings = Settings()
    if settings.standby_port is None:
        raise SystemExit("GATEWAY_STANDBY_PORT says where the standby listens; it is not set")
    configure_logging("gateway-standby", settings.log_level)
    asyncio.run(run(settings))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
