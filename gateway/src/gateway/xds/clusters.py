"""Where calls go: the services by mutual TLS, and the trace backend; and the secrets that this needs."""

from typing import Any

from gateway.xds import names
from gateway.xds.snapshot import Snapshot

_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_READINESS = {
    # A copy that says that it is leaving or not ready is out at once; one that does not answer, or too late
    # on a busy machine, after the third time.
    "http_health_check": {"path": "/health/ready"},
    "timeout": "2s",
    "interval": "1s",
    "interval_jitter_percent": 10,
    # Otherwise a copy that nobody called yet is asked once a minute.
    "no_traffic_interval": "1s",
    "no_traffic_healthy_interval": "1s",
    "unhealthy_threshold": 3,
    "healthy_threshold": 1,
}


def endpoints(name: str, addresses: str) -> dict[str, Any]:
    """Return where the copies of a service are: `host:port` of each, parted by commas."""
    copies = []
    for address in addresses.split(","):
        host, _, port = address.strip().rpartition(":")
        place = {"socket_address": {"address": host, "port_value": int(port)}}
        copies.append({"endpoint": {"address": place}})
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": copies}]}


def _cluster(name: str, addresses: str, options: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "2s",
        "load_assignment": endpoints(name, addresses),
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {"@type": names.TYPE + _HTTP_OPTIONS, **options},
        },
    }


def _service_tls(service: str) -> dict[str, Any]:
    name = f"{service}.ndx.internal"
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": names.EXTENSION + "transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": name,
            "common_tls_context": {
                "tls_params": {"tls_maximum_protocol_version": "TLSv1_3"},
                "tls_certificate_sds_secret_configs": [{"name": "gateway_client", "sds_config": names.ADS}],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_typed_subject_alt_names": [{"san_type": "DNS", "matcher": {"exact": name}}]
                    },
                    "validation_context_sds_secret_config": {"name": "internal_ca", "sds_config": names.ADS},
                },
            },
        },
    }


def _service(service: str, address: str, limit: int) -> dict[str, Any]:
    # Services close idle connections after 75 seconds: Envoy must do so first.
    options = {
        "common_http_protocol_options": {"idle_timeout": "60s"},
        "explicit_http_config": {"http_protocol_options": {}},
    }
    return {
        **_cluster(names.cluster(service), address, options),
        "transport_socket": _service_tls(service),
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": limit,
                    "max_pending_requests": limit,
                    "max_requests": limit,
                    "max_retries": 16,
                    "track_remaining": True,
                }
            ]
        },
        "health_checks": [_READINESS],
        "common_lb_config": {
            # Otherwise Envoy gathers changes for a second, and goes on calling a copy that is left out.
            "update_merge_window": "0s",
            # The ready ones get all calls, be they ever so few; when none is ready, each is tried.
            "healthy_panic_threshold": {"value": 1},
        },
        # One bad copy of several is left out for a while; the only one never is.
        "outlier_detection": {
            "consecutive_gateway_failure": 5,
            "enforcing_consecutive_gateway_failure": 100,
            "enforcing_consecutive_5xx": 0,
            "enforcing_success_rate": 0,
            "interval": "5s",
            "base_ejection_time": "10s",
            "max_ejection_percent": 50,
            # That it is ready says nothing about what it answers: it stays out for its time.
            "successful_active_health_check_uneject_host": False,
        },
    }


def clusters(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return the upstreams by name."""
    doors = snapshot.doors
    options: dict[str, Any]
    found = {
        names.cluster(s): _service(s, address, doors.provider_requests)
        for s, address in sorted(doors.upstreams.items())
    }
    if doors.zipkin:
        options = {"explicit_http_config": {"http_protocol_options": {}}}
        found["zipkin"] = _cluster("zipkin", doors.zipkin, options)
    elif doors.otlp:
        options = {"explicit_http_config": {"http2_protocol_options": {}}}
        found["otlp"] = _cluster("otlp", doors.otlp, options)
    return found


def _pair(name: str, cert: str, key: str) -> dict[str, Any]:
    return {
        "name": name,
        "tls_certificate": {
            "certificate_chain": {"inline_string": cert},
            "private_key": {"inline_string": key},
        },
    }


def secrets(snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return certificates, keys and trust anchors by name."""
    m = snapshot.material
    agency_ca = {
        "trusted_ca": {"inline_string": m.agency_ca},
        "crl": {"inline_string": m.crl},
        "only_verify_leaf_cert_crl": True,
        # An authority vouches for a caller itself, never by way of another below it.
        "max_verify_depth": 1,
        "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": {"prefix": "urn:ndx:"}}],
    }
    return {
        "public_cert": _pair("public_cert", m.public_cert, m.public_key),
        "gateway_client": _pair("gateway_client", m.client_cert, m.client_key),
        "agency_ca": {"name": "agency_ca", "validation_context": agency_ca},
        "internal_ca": {
            "name": "internal_ca",
            "validation_context": {"trusted_ca": {"inline_string": m.internal_ca}},
        },
    }
