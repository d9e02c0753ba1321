"""What one connected Envoy has asked for, has been sent, and has said about it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from google.protobuf import any_pb2, json_format
from ndx_chassis.telemetry import log

from gateway.xds import protos
from gateway.xds.resources import Resources

_WILDCARD = frozenset({protos.CDS, protos.LDS, protos.SRDS})
"""Types of which an Envoy that names nothing wants everything."""
_LONGEST_REASON = 500
LEAVES = "leaves"
"""In a node's metadata: this Envoy will end; whoever says it for the Envoy wants no configuration."""
DOOR_PORTS = "door_ports"
"""In a node's metadata: the ports of its two doors, where they are not those of the others."""
_DOORS = ("agencies", "citizens")


@dataclass(slots=True)
class Subscription:
    """One resource type on one stream."""

    wildcard: bool = False
    names: set[str] = field(default_factory=set)
    sent: dict[str, str] = field(default_factory=dict)
    """Name → version of what Envoy has, or has been sent."""
    asked: set[str] = field(default_factory=set)
    """Names that must be answered, be it by saying that there is no such resource."""
    answer_due: bool = False
    """The first answer of a type may be empty, but it must come."""
    open_nonces: set[str] = field(default_factory=set)
    refused: str = ""
    """Why Envoy refused the latest answer; empty when it took it."""
    refused_at: datetime | None = None

    def wants(self, current: dict[str, Any]) -> set[str]:
        return set(current) if self.wildcard else self.names

    def behind(self, current: dict[str, Any]) -> bool:
        """Tell whether something is still to be sent or to be acknowledged."""
        if self.open_nonces or self.asked or self.answer_due:
            return True
        wanted = {n: current[n].version for n in self.wants(current) if n in current}
        return wanted != self.sent


class Stream:
    """The state of one delta stream; it does no input or output itself."""

    def __init__(self) -> None:
        self.node = ""
        self.leaves = False
        self._ports: dict[str, int] = {}
        self.connected_at = datetime.now(UTC)
        self.settled_at: datetime | None = None
        """When it had answered to all that was published; None while it has not."""
        self.subscriptions: dict[str, Subscription] = {}
        self._nonces = itertools.count(1)

    def take(self, request: Any) -> None:
        """Note what a request says: an acknowledgement, a refusal, or new and dropped names."""
        kind: str = request.type_url
        if request.HasField("node"):
            self._meet(request.node)
        first = kind not in self.subscriptions
        subscription = self.subscriptions.setdefault(kind, Subscription())
        if request.response_nonce:
            self._settle(kind, subscription, request)
        wanted = set(request.resource_names_subscribe)
        if first:
            # After a reconnect Envoy says what it still has: that is not sent again.
            subscription.sent.update(request.initial_resource_versions)
            subscription.wildcard = kind in _WILDCARD and not wanted
            subscription.answer_due = True
        else:
            for name in wanted:
                subscription.sent.pop(name, None)
        if "*" in wanted:
            subscription.wildcard = True
            wanted.discard("*")
        subscription.names |= wanted
        subscription.asked |= wanted - set(subscription.sent)
        for name in request.resource_names_unsubscribe:
            subscription.names.discard(name)
            subscription.asked.discard(name)
            subscription.sent.pop(name, None)

    def _meet(self, node: Any) -> None:
        self.node = node.id
        about = json_format.MessageToDict(node.metadata)
        self.leaves = bool(about.get(LEAVES))
        self._ports = {door: int(port) for door, port in zip(_DOORS, about.get(DOOR_PORTS, ()), strict=False)}

    def _body(self, resource: Any) -> Any:
        """Return what this Envoy gets: a door of its own has a port of its own."""
        port = self._ports.get(resource.name)
        if port is None or resource.body.type_url != protos.LDS:
            return resource.body
        listener = protos.Listener.FromString(resource.body.value)
        listener.address.socket_address.port_value = port
        return any_pb2.Any(type_url=protos.LDS, value=listener.SerializeToString(deterministic=True))

    def _settle(self, kind: str, subscription: Subscription, request: Any) -> None:
        subscription.open_nonces.discard(request.response_nonce)
        if request.HasField("error_detail"):
            subscription.refused = request.error_detail.message[:_LONGEST_REASON]
            subscription.refused_at = datetime.now(UTC)
            log.error(
                "envoy_refused_configuration",
                node=self.node,
                type=kind.rpartition(".")[2],
                reason=subscription.refused,
            )
        elif not subscription.open_nonces:
            if subscription.refused:
                log.info("envoy_took_configuration_again", node=self.node, type=kind.rpartition(".")[2])
            subscription.refused = ""

    def answers(self, resources: Resources) -> Iterator[Any]:
        """Give what this Envoy lacks: additions in the order of dependence, then removals in the reverse."""
        for kind in protos.ORDER:
            if kind in self.subscriptions:
                yield from self._additions(kind, resources.get(kind, {}))
        for kind in reversed(protos.ORDER):
            if kind in self.subscriptions:
                yield from self._removals(kind, resources.get(kind, {}))

    def _additions(self, kind: str, current: dict[str, Any]) -> Iterator[Any]:
        subscription = self.subscriptions[kind]
        changed = [
            current[n]
            for n in sorted(subscription.wants(current))
            if n in current and subscription.sent.get(n) != current[n].version
        ]
        absent = sorted(n for n in subscription.asked if n not in current)
        if changed or absent or subscription.answer_due:
            for resource in changed:
                subscription.sent[resource.name] = resource.version
            for name in absent:
                subscription.sent.pop(name, None)
            yield self._response(kind, changed, absent)
        subscription.asked.clear()
        subscription.answer_due = False

    def _removals(self, kind: str, current: dict[str, Any]) -> Iterator[Any]:
        subscription = self.subscriptions[kind]
        gone = sorted(n for n in subscription.sent if n not in current)
        for name in gone:
            del subscription.sent[name]
        if gone:
            yield self._response(kind, [], gone)

    def _response(self, kind: str, changed: list[Any], removed: list[str]) -> Any:
        nonce = str(next(self._nonces))
        self.subscriptions[kind].open_nonces.add(nonce)
        return protos.discovery_pb2.DeltaDiscoveryResponse(
            type_url=kind,
            nonce=nonce,
            resources=[
                protos.discovery_pb2.Resource(name=r.name, version=r.version, resource=self._body(r))
                for r in changed
            ],
            removed_resources=removed,
        )

    def look(self, resources: Resources) -> None:
        """Note whether this Envoy has answered to everything, and since when."""
        if self.behind(resources):
            self.settled_at = None
        elif self.settled_at is None:
            self.settled_at = datetime.now(UTC)

    def behind(self, resources: Resources) -> bool:
        """Tell whether this Envoy has yet to ask for, get or acknowledge something."""
        if any(found and kind not in self.subscriptions for kind, found in resources.items()):
            return True
        return any(s.behind(resources.get(kind, {})) for kind, s in self.subscriptions.items())
