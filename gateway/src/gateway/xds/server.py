"""Delta ADS over mutual TLS: each Envoy gets what it subscribes to, and only what changed."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from typing import Any

import grpc
from ndx_chassis.telemetry import log

from gateway.xds import protos
from gateway.xds.compile import Resources


class _Subscription:
    def __init__(self) -> None:
        self.wildcard = False
        self.names: set[str] = set()
        self.sent: dict[str, str] = {}


class ConfigServer(protos.ads_pb2_grpc.AggregatedDiscoveryServiceServicer):  # type: ignore[misc]  # untyped stubs
    """Holds the current resources and pushes changes to every connected Envoy."""

    def __init__(self) -> None:
        self._resources: Resources = {}
        self._streams: set[asyncio.Event] = set()
        self.refused: dict[str, str] = {}
        """Type URL → what Envoy said of the last version that it did not take."""

    def publish(self, resources: Resources) -> None:
        """Make these the current resources."""
        self._resources = resources
        for changed in self._streams:
            changed.set()

    async def DeltaAggregatedResources(  # noqa: N802 - the protocol's name
        self, requests: AsyncIterator[Any], context: Any
    ) -> AsyncIterator[Any]:
        """Serve one Envoy for as long as it is connected."""
        del context
        subscriptions: dict[str, _Subscription] = {}
        changed = asyncio.Event()
        nonces = itertools.count(1)
        inbox: asyncio.Queue[Any] = asyncio.Queue()

        async def read() -> None:
            async for request in requests:
                await inbox.put(request)
                changed.set()
            await inbox.put(None)
            changed.set()

        reader = asyncio.create_task(read())
        self._streams.add(changed)
        try:
            while True:
                await changed.wait()
                changed.clear()
                forced: dict[str, set[str]] = {}
                while not inbox.empty():
                    request = inbox.get_nowait()
                    if request is None:
                        return
                    forced.setdefault(request.type_url, set()).update(self._note(subscriptions, request))
                for kind in sorted(subscriptions, key=_order):
                    answer = self._answer(kind, subscriptions[kind], forced.get(kind))
                    if answer is not None:
                        answer.nonce = str(next(nonces))
                        yield answer
        finally:
            reader.cancel()
            self._streams.discard(changed)

    def _note(self, subscriptions: dict[str, _Subscription], request: Any) -> set[str]:
        kind = request.type_url
        if request.HasField("error_detail"):
            self.refused[kind] = request.error_detail.message[:500]
            log.error("envoy_refused_configuration", type=kind, reason=request.error_detail.message[:500])
        first = kind not in subscriptions
        subscription = subscriptions.setdefault(kind, _Subscription())
        wanted = set(request.resource_names_subscribe)
        if first:
            subscription.sent.update(request.initial_resource_versions)
            subscription.wildcard = not wanted
        if "*" in wanted:
            subscription.wildcard = True
            wanted.discard("*")
        subscription.names |= wanted
        for name in request.resource_names_unsubscribe:
            subscription.names.discard(name)
            subscription.sent.pop(name, None)
        return wanted

    def _answer(self, kind: str, subscription: _Subscription, forced: set[str] | None) -> Any:
        current = self._resources.get(kind, {})
        names = set(current) if subscription.wildcard else subscription.names
        changed = [
            current[n]
            for n in sorted(names)
            if n in current and subscription.sent.get(n) != current[n].version
        ]
        gone = [n for n in subscription.sent if n not in current]
        missing = [n for n in (forced or set()) if n not in current and n not in gone]
        # The first answer of a wildcard type may be empty, but it must come.
        if not changed and not gone and not missing and not (forced is not None and not subscription.sent):
            return None
        if not self._resources:
            return None
        for resource in changed:
            subscription.sent[resource.name] = resource.version
        for name in gone:
            subscription.sent.pop(name, None)
        return protos.discovery_pb2.DeltaDiscoveryResponse(
            type_url=kind,
            resources=[
                protos.discovery_pb2.Resource(name=r.name, version=r.version, resource=r.body)
                for r in changed
            ],
            removed_resources=[*gone, *missing],
        )


def _order(kind: str) -> int:
    return protos.ORDER.index(kind) if kind in protos.ORDER else len(protos.ORDER)


async def serve(server: ConfigServer, *, address: str, cert: bytes, key: bytes, client_ca: bytes) -> Any:
    """Start the gRPC server; only Envoys with a certificate of the internal CA may connect."""
    grpc_server = grpc.aio.server(
        options=[("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)],
    )
    protos.ads_pb2_grpc.add_AggregatedDiscoveryServiceServicer_to_server(server, grpc_server)
    credentials = grpc.ssl_server_credentials(
        [(key, cert)], root_certificates=client_ca, require_client_auth=True
    )
    if grpc_server.add_secure_port(address, credentials) == 0:
        raise OSError(f"the configuration port {address} is in use")
    await grpc_server.start()
    return grpc_server
