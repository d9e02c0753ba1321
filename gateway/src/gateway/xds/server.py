"""Delta ADS over mutual TLS: each Envoy gets what it subscribes to, and only what changed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
from ndx_chassis.telemetry import log

from gateway.authorities.authority import fits
from gateway.xds import protos
from gateway.xds.resources import Resources
from gateway.xds.stream import Stream

ENVOY_URI = "urn:ndx:internal:envoy"
"""The name in the certificate of an Envoy; nobody else gets the configuration, which holds keys."""


MISSED = timedelta(minutes=10)
"""For how long an Envoy that went without a word counts as one that should be there, unless set otherwise."""
LISTED = timedelta(days=1)
"""For how long it is listed."""


@dataclass(frozen=True, slots=True)
class Away:
    """An Envoy that is not connected now."""

    connected_at: datetime
    disconnected_at: datetime


def _versions(resources: Resources) -> dict[str, dict[str, str]]:
    return {kind: {name: r.version for name, r in found.items()} for kind, found in resources.items()}


class ConfigServer(protos.ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Holds the current resources and pushes changes to every connected Envoy."""

    def __init__(self, missed: timedelta = MISSED) -> None:
        self._missed = missed
        self._resources: Resources | None = None
        self._streams: dict[Stream, asyncio.Event] = {}
        self._ending: set[Stream] = set()
        self._progress = asyncio.Condition()
        self.published_at: datetime | None = None
        """When the current resources last became others than before."""
        self.away: dict[str, Away] = {}
        """Node ids of those that were connected and are not: they may go on with what they had."""
        self._left: dict[str, datetime] = {}
        """Node ids of those that said that they will end."""

    def publish(self, resources: Resources) -> None:
        """Make these the current resources; types that they leave out stay as they are.

        Discovered filters may come one by one: those that are left out stay as well, for no filter ever goes.
        """
        before = self._resources or {}
        filters = {**before.get(protos.ECDS, {}), **resources.get(protos.ECDS, {})}
        self._resources = {**before, **resources, protos.ECDS: filters}
        if _versions(before) != _versions(self._resources):
            self.published_at = datetime.now(UTC)
        for stream, changed in self._streams.items():
            stream.look(self._resources)
            changed.set()

    def end_streams(self) -> None:
        """End the streams that are open now: each Envoy connects anew, where it may."""
        self._ending |= self._streams.keys()
        for changed in self._streams.values():
            changed.set()

    @property
    def current(self) -> Resources:
        """What is published now."""
        return self._resources or {}

    @property
    def refused(self) -> dict[str, str]:
        """Type URL → why an Envoy refused its latest version; it keeps the last good one."""
        return {
            kind: subscription.refused
            for stream in self._streams
            for kind, subscription in stream.subscriptions.items()
            if subscription.refused
        }

    @property
    def settled(self) -> bool:
        """Tell whether every connected Envoy has answered to the current resources."""
        resources = self._resources
        return resources is not None and not any(s.behind(resources) for s in self._streams)

    @property
    def streams(self) -> list[Stream]:
        """What each connected Envoy has, has been sent and has refused."""
        return sorted(self._streams, key=lambda stream: stream.node)

    @property
    def envoys(self) -> list[str]:
        """Node ids of the connected Envoys."""
        return sorted(stream.node for stream in self._streams)

    def _note_absence(self, stream: Stream) -> None:
        node, now = stream.node, datetime.now(UTC)
        if not node or node in self.envoys:
            return
        said = self._left.pop(node, None)
        # What was said long ago, and not done, is no excuse any more.
        if said is None or said < now - self._missed:
            self.away[node] = Away(stream.connected_at, now)

    def absent(self) -> list[tuple[str, Away]]:
        """Return who went without a word within the last day and has not come back."""
        since = datetime.now(UTC) - LISTED
        self.away = {node: away for node, away in self.away.items() if away.disconnected_at >= since}
        return sorted(self.away.items())

    def is_missed(self, away: Away) -> bool:
        """Tell whether it may yet come back, and meanwhile decides by what it had."""
        return away.disconnected_at >= datetime.now(UTC) - self._missed

    def _take(self, stream: Stream, inbox: asyncio.Queue[Any]) -> bool:
        """Note what an Envoy has said; tell whether that was its last word on this stream."""
        while not inbox.empty():
            request = inbox.get_nowait()
            if request is None:
                return True
            stream.take(request)
            self.away.pop(stream.node, None)
            if stream.leaves:
                self._left[stream.node] = datetime.now(UTC)
                log.info("envoy_leaves", node=stream.node)
                return True
        return False

    async def wait_settled(self) -> None:
        """Return when at least one Envoy is connected and all have answered."""
        async with self._progress:
            await self._progress.wait_for(lambda: bool(self._streams) and self.settled)

    async def _tell(self) -> None:
        async with self._progress:
            self._progress.notify_all()

    async def DeltaAggregatedResources(  # noqa: N802 - the protocol's name
        self, requests: AsyncIterator[Any], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Any]:
        """Serve one Envoy for as long as it is connected."""
        peer = context.auth_context().get("x509_subject_alternative_name", [])
        if ENVOY_URI.encode() not in peer:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only an Envoy gets the configuration")
        stream = Stream()
        changed = asyncio.Event()
        inbox: asyncio.Queue[Any] = asyncio.Queue()

        async def read() -> None:
            try:
                async for request in requests:
                    inbox.put_nowait(request)
                    changed.set()
            finally:
                inbox.put_nowait(None)
                changed.set()

        reader = asyncio.create_task(read())
        self._streams[stream] = changed
        log.info("envoy_connected")
        try:
            while True:
                await changed.wait()
                changed.clear()
                if stream in self._ending:
                    return
                if self._take(stream, inbox):
                    return
                if self._resources is not None:
                    for answer in stream.answers(self._resources):
                        yield answer
                    stream.look(self._resources)
                await self._tell()
        finally:
            reader.cancel()
            del self._streams[stream]
            self._ending.discard(stream)
            self._note_absence(stream)
            log.info("envoy_disconnected", node=stream.node)
            # Whoever waits for all to have answered need not wait for one that is gone.
            await self._tell()


class _Identity:
    """The server's certificate; a renewed one is shown to the next Envoy that connects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown = b"", b""

    def first(self) -> Any:
        return self.renewed() or self._read()

    def renewed(self) -> Any:
        """Return certificate and anchors when they are others than those that are shown, else None."""
        certificate, anchors = (
            (self._folder / name).read_bytes() for name in ("xds-server.crt", "internal-ca.crt")
        )
        if (certificate, anchors) == self._shown or not fits(certificate, self._folder / "xds-server.key"):
            return None
        self._shown = certificate, anchors
        return self._read()

    def _read(self) -> Any:
        key, certificate, anchor = (
            (self._folder / name).read_bytes()
            for name in ("xds-server.key", "xds-server.crt", "internal-ca.crt")
        )
        return grpc.ssl_server_certificate_configuration([(key, certificate)], root_certificates=anchor)


async def serve(
    server: ConfigServer, *, address: str, folder: Path, quotas: Any = None, logs: Any = None
) -> Any:
    """Start the gRPC server; only holders of a certificate of the internal CA may connect.

    `quotas` is the service of the rate-limit-quota protocol, `logs` takes Envoys' logs, if there are such.
    """
    grpc_server = grpc.aio.server(
        options=[
            ("grpc.max_send_message_length", -1),
            ("grpc.so_reuseport", 0),
            # Envoy asks every ten seconds whether the line still lives; a few pings without data would
            # otherwise count as an attack and end the stream.
            ("grpc.http2.max_ping_strikes", 0),
        ],
    )
    protos.ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(server, grpc_server)
    if quotas is not None:
        protos.rlqs_pb2_grpc.add_RateLimitQuotaServiceServicer_to_server(quotas, grpc_server)
    if logs is not None:
        grpc_server.add_generic_rpc_handlers((logs.handler(),))
    identity = _Identity(folder)
    credentials = grpc.dynamic_ssl_server_credentials(
        identity.first(), identity.renewed, require_client_authentication=True
    )
    if grpc_server.add_secure_port(address, credentials) == 0:
        raise OSError(f"the configuration port {address} is in use")
    await grpc_server.start()
    return grpc_server
