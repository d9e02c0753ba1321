"""One pure function: what the control plane knows → Envoy's resources, by type URL and name."""

import hashlib
from dataclasses import dataclass
from typing import Any

from google.protobuf import any_pb2, json_format
from google.protobuf.message import Message

from gateway.xds import names, protos
from gateway.xds.agency_filter import agency_filter, burst_filter
from gateway.xds.listeners import ADS, agencies_listener, citizens_listener
from gateway.xds.routes import agency_route_configs, citizen_routes, scopes
from gateway.xds.snapshot import Snapshot

# Field 19 of LocalRateLimit, enable_retry_after_header, is newer than the published stubs.
_RETRY_AFTER_ON = b"\x98\x01\x01"
# Fields 1 and 2 of set_filter_state's Config: the stubs know only the first.
_ON_NEW_CONNECTION, _ON_TLS_HANDSHAKE = b"\x0a", b"\x12"


@dataclass(frozen=True, slots=True)
class Resource:
    """A resource ready to be sent; its version is a digest of its bytes."""

    name: str
    body: any_pb2.Any
    version: str


Resources = dict[str, dict[str, Resource]]


def _resource(name: str, kind: type[Message], document: dict[str, Any]) -> Resource:
    message = json_format.ParseDict(document, kind())
    if isinstance(message, protos.Listener):
        _keep_fingerprint_after_handshake(message)
    body = any_pb2.Any()
    body.Pack(message, deterministic=True)
    version = hashlib.sha256(body.value).hexdigest()[:16]
    return Resource(name, body, version)


def _keep_fingerprint_after_handshake(listener: Any) -> None:
    for chain in listener.filter_chains:
        for part in chain.filters:
            if part.name == "envoy.filters.network.set_filter_state":
                value = part.typed_config.value
                if not value.startswith(_ON_NEW_CONNECTION):
                    raise ValueError("the filter state's form has changed")
                part.typed_config.value = _ON_TLS_HANDSHAKE + value[1:]


def _cluster(service: str, address: str) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    name = names.cluster(service)
    return {
        "name": name,
        "type": "STRICT_DNS",
        "connect_timeout": "2s",
        "dns_lookup_family": "V4_ONLY",
        "load_assignment": _endpoint(name, host, port),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": 1024,
                    "max_pending_requests": 1024,
                    "max_requests": 2048,
                    "max_retries": 8,
                }
            ]
        },
        "transport_socket": {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
                "sni": f"{service}.ndx.internal",
                "common_tls_context": {
                    "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                    "tls_certificate_sds_secret_configs": [{"name": "gateway_client", "sds_config": ADS}],
                    "combined_validation_context": {
                        "default_validation_context": {
                            "match_typed_subject_alt_names": [
                                {"san_type": "DNS", "matcher": {"exact": f"{service}.ndx.internal"}}
                            ]
                        },
                        "validation_context_sds_secret_config": {"name": "internal_ca", "sds_config": ADS},
                    },
                },
            },
        },
    }


def _endpoint(name: str, host: str, port: str) -> dict[str, Any]:
    address = {"socket_address": {"address": host, "port_value": int(port)}}
    return {
        "cluster_name": name,
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
    }


def _plain_cluster(name: str, address: str, *, http2: bool) -> dict[str, Any]:
    host, _, port = address.rpartition(":")
    cluster: dict[str, Any] = {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_ONLY",
        "connect_timeout": "1s",
        "load_assignment": _endpoint(name, host, port),
    }
    if http2:
        cluster["typed_extension_protocol_options"] = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
    return cluster


def _secrets(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    m = snapshot.material

    def pair(name: str, cert: str, key: str) -> dict[str, Any]:
        return {
            "name": name,
            "tls_certificate": {
                "certificate_chain": {"inline_string": cert},
                "private_key": {"inline_string": key},
            },
        }

    return {
        "public_cert": pair("public_cert", m.public_cert, m.public_key),
        "gateway_client": pair("gateway_client", m.client_cert, m.client_key),
        "agency_ca": {
            "name": "agency_ca",
            "validation_context": {
                "trusted_ca": {"inline_string": m.agency_ca},
                "crl": {"inline_string": m.crl},
                "only_verify_leaf_cert_crl": True,
                "match_typed_subject_alt_names": [
                    {"san_type": "URI", "matcher": {"prefix": "urn:ndx:"}},
                ],
            },
        },
        "internal_ca": {
            "name": "internal_ca",
            "validation_context": {"trusted_ca": {"inline_string": m.internal_ca}},
        },
    }


def compile_resources(snapshot: Snapshot) -> Resources:
    """Return every resource of both listeners."""
    clusters = {
        names.cluster(s): _cluster(s, address) for s, address in sorted(snapshot.doors.upstreams.items())
    }
    if snapshot.doors.zipkin:
        clusters["zipkin"] = _plain_cluster("zipkin", snapshot.doors.zipkin, http2=False)
    if snapshot.doors.otlp:
        clusters["otlp"] = _plain_cluster("otlp", snapshot.doors.otlp, http2=True)
    routes = agency_route_configs(snapshot)
    routes["routes-citizens"] = citizen_routes(snapshot)
    listeners = {
        "agencies": agencies_listener(snapshot.doors),
        "citizens": citizens_listener(snapshot.doors),
    }
    found: Resources = {
        protos.CDS: {n: _resource(n, protos.Cluster, d) for n, d in clusters.items()},
        protos.LDS: {n: _resource(n, protos.Listener, d) for n, d in listeners.items()},
        protos.RDS: {n: _resource(n, protos.RouteConfiguration, d) for n, d in routes.items()},
        protos.SRDS: {
            d["name"]: _resource(d["name"], protos.ScopedRouteConfiguration, d)
            for d in scopes(snapshot).values()
        },
        protos.SDS: {n: _resource(n, protos.Secret, d) for n, d in _secrets(snapshot).items()},
        protos.ECDS: {},
    }
    for name, document, extra in (
        (names.AGENCY_FILTER, agency_filter(snapshot), b""),
        (names.BURST_FILTER, burst_filter(snapshot), _RETRY_AFTER_ON),
    ):
        found[protos.ECDS][name] = _extension(name, document, extra)
    return found


def _extension(name: str, document: dict[str, Any], extra: bytes) -> Resource:
    typed = json_format.ParseDict(document, any_pb2.Any())
    if extra:
        typed.value += extra
    message = protos.TypedExtensionConfig(name=name, typed_config=typed)
    body = any_pb2.Any()
    body.Pack(message, deterministic=True)
    return Resource(name, body, hashlib.sha256(body.value).hexdigest()[:16])
