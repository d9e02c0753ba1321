"""One pure function: what the control plane knows → Envoy's resources, by type URL and name."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from gateway.xds import names, protos
from gateway.xds.agency_filter import agency_filter, burst_filter
from gateway.xds.clusters import clusters, secrets
from gateway.xds.coverage import Coverage
from gateway.xds.listeners import agencies_listener, citizens_listener
from gateway.xds.routes import CITIZENS, agency_route_configs, citizen_routes, scopes
from gateway.xds.snapshot import Snapshot

# Field 19 of LocalRateLimit, enable_retry_after_header, is newer than the published stubs.
_RETRY_AFTER_ON = b"\x98\x01\x01"
# Fields 1 and 2 of set_filter_state's Config: the stubs know only the first.
_ON_NEW_CONNECTION, _ON_TLS_HANDSHAKE = b"\x0a", b"\x12"
_KINDS: dict[str, type[Message]] = {
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


def filter_documents(snapshot: Snapshot, coverage: Coverage) -> dict[str, dict[str, Any]]:
    """Return the discovered filters in their JSON form, by name."""
    filters = {
        names.AGENCY_FILTER: agency_filter(snapshot, coverage),
        names.BURST_FILTER: burst_filter(snapshot),
    }
    return {name: {"name": name, "typed_config": document} for name, document in filters.items()}


def documents(snapshot: Snapshot) -> dict[str, dict[str, dict[str, Any]]]:
    """Return every resource in its JSON form, by type URL and name."""
    coverage = Coverage(snapshot)
    routes = agency_route_configs(snapshot, coverage)
    return {
        protos.CDS: clusters(snapshot),
        protos.SDS: secrets(snapshot),
        protos.ECDS: filter_documents(snapshot, coverage),
        protos.LDS: {
            "agencies": agencies_listener(snapshot.doors),
            "citizens": citizens_listener(snapshot.doors),
        },
        protos.SRDS: scopes(routes),
        protos.RDS: {**routes, CITIZENS: citizen_routes(snapshot)},
    }


def compile_resources(snapshot: Snapshot) -> Resources:
    """Return every resource of both listeners."""
    return {kind: _packed(kind, found) for kind, found in documents(snapshot).items()}


def compile_filters(snapshot: Snapshot) -> Resources:
    """Return only the small filters: what stops a suspended or revoked caller, long before the routes.

    They may be in force before the routes of the same snapshot: then more is refused, never less.
    """
    return {protos.ECDS: _packed(protos.ECDS, filter_documents(snapshot, Coverage(snapshot)))}


def _packed(kind: str, found: dict[str, dict[str, Any]]) -> dict[str, Resource]:
    return {name: _resource(kind, name, json.dumps(d, sort_keys=True)) for name, d in found.items()}


@lru_cache(maxsize=1024)
def _resource(kind: str, name: str, document: str) -> Resource:
    """Pack one resource; most are as they were at the last change, so the result is kept."""
    message: Any = json_format.Parse(document, _KINDS[kind]())
    if kind == protos.LDS:
        _keep_fingerprint_after_handshake(message)
        _ask_for_retry_after(message)
    elif name == names.BURST_FILTER:
        message.typed_config.value += _RETRY_AFTER_ON
    body = any_pb2.Any()
    body.Pack(message, deterministic=True)
    return Resource(name, body, hashlib.sha256(body.value).hexdigest()[:16])


def _keep_fingerprint_after_handshake(listener: Any) -> None:
    for chain in listener.filter_chains:
        for part in chain.filters:
            if part.name == "envoy.filters.network.set_filter_state":
                value = part.typed_config.value
                if not value.startswith(_ON_NEW_CONNECTION):
                    raise ValueError("the filter state's form has changed")
                part.typed_config.value = _ON_TLS_HANDSHAKE + value[1:]


def _ask_for_retry_after(listener: Any) -> None:
    for chain in listener.filter_chains:
        for part in chain.filters:
            manager = protos.HttpConnectionManager()
            if not part.typed_config.Unpack(manager):
                continue
            for http_filter in manager.http_filters:
                if http_filter.typed_config.Is(protos.LocalRateLimit.DESCRIPTOR):
                    http_filter.typed_config.value += _RETRY_AFTER_ON
            part.typed_config.Pack(manager, deterministic=True)
