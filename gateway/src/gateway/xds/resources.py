"""Resources ready to be sent, from encoded messages or from documents in JSON form."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from gateway.xds import protos, wire
from gateway.xds.agency_filter import RETRY_AFTER_ON

# Field 2 of set_filter_state's Config is made like field 1, the only one that the stubs know.
_ON_TLS_HANDSHAKE = b"\x12"
KINDS: dict[str, type[Message]] = {
    protos.CDS: protos.Cluster,
    protos.LDS: protos.Listener,
    protos.RDS: protos.RouteConfiguration,
    protos.SRDS: protos.ScopedRouteConfiguration,
    protos.SDS: protos.Secret,
    protos.ECDS: protos.TypedExtensionConfig,
}


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource ready to be sent; its version is a digest of its bytes."""

    name: str
    body: any_pb2.Any
    version: str


Resources = dict[str, dict[str, Resource]]


def from_wire(kind: str, name: str, value: bytes) -> Resource:
    """Pack an encoded message."""
    body = any_pb2.Any(type_url=kind, value=value)
    return Resource(name, body, hashlib.sha256(value).hexdigest()[:16])


def from_documents(kind: str, found: dict[str, dict[str, Any]]) -> dict[str, Resource]:
    """Pack messages that are given in their JSON form."""
    return {name: _packed(kind, name, json.dumps(d, sort_keys=True)) for name, d in found.items()}


@lru_cache(maxsize=256)
def _packed(kind: str, name: str, document: str) -> Resource:
    message: Any = json_format.Parse(document, KINDS[kind]())
    if kind == protos.LDS:
        _keep_fingerprint_after_handshake(message)
        _ask_for_retry_after(message)
    return from_wire(kind, name, message.SerializeToString(deterministic=True))


def from_filter(name: str, kind: type[Message], value: bytes) -> Resource:
    """Pack the encoded configuration of a discovered filter."""
    typed = wire.put(protos.TypedExtensionConfig, "typed_config", wire.any_of(kind, value))
    return from_wire(protos.ECDS, name, wire.put(protos.TypedExtensionConfig, "name", name) + typed)


def _keep_fingerprint_after_handshake(listener: Any) -> None:
    for chain in listener.filter_chains:
        for part in chain.filters:
            if part.name == "envoy.filters.network.set_filter_state":
                state = protos.FilterState.FromString(part.typed_config.value)
                part.typed_config.value = b"".join(
                    _ON_TLS_HANDSHAKE
                    + wire.put(
                        protos.FilterState, "on_new_connection", kept.SerializeToString(deterministic=True)
                    )[1:]
                    for kept in state.on_new_connection
                )


def _ask_for_retry_after(listener: Any) -> None:
    for chain in listener.filter_chains:
        for part in chain.filters:
            manager = protos.HttpConnectionManager()
            if not part.typed_config.Unpack(manager):
                continue
            for http_filter in manager.http_filters:
                if http_filter.typed_config.Is(protos.LocalRateLimit.DESCRIPTOR):
                    http_filter.typed_config.value += RETRY_AFTER_ON
            part.typed_config.Pack(manager, deterministic=True)
