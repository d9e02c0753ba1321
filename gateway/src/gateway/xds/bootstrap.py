"""Command `python -m gateway.xds.bootstrap --out FILE`: what Envoy knows before it asks for the rest."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from gateway.authorities.files import ENVOY_ANCHOR, ENVOY_IDENTITY
from gateway.settings import Settings
from gateway.xds.clusters import endpoints
from gateway.xds.stream import DOOR_PORTS

ENVOYS = "envoys"
_RUNTIME = {
    # Spans reach the trace backend within a second, not five.
    "tracing": {"zipkin": {"flush_interval_ms": 1000}, "opentelemetry": {"flush_interval_ms": 1000}},
    # Who opens streams only to reset them is cut off (HTTP/2 rapid reset, CVE-2023-44487).
    "overload": {
        "premature_reset_total_stream_count": 200,
        "premature_reset_min_stream_lifetime_seconds": 1,
    },
    # One connection does not keep the others waiting with all that it has sent at once.
    "http": {"max_requests_per_io_cycle": 10},
}
_MOST_CONNECTIONS = 20_000
_LOOKED_AFTER = {
    # Whether the control plane is there decides who is asked; while it is not, that is looked at more often.
    "health_checks": [
        {
            "timeout": "1s",
            "interval": "2s",
            "no_traffic_interval": "2s",
            "unhealthy_interval": "1s",
            "unhealthy_threshold": 1,
            "healthy_threshold": 1,
            "tcp_health_check": {},
        }
    ],
    # With all of them away none is better than another: the control plane is asked again and again.
    "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
}


def _health(settings: Settings) -> dict[str, Any]:
    """Return the door of load balancers: 200 for as long as calls may come, 503 from the moment it leaves."""
    extension = "type.googleapis.com/envoy.extensions.filters."
    ready = {
        "@type": extension + "http.health_check.v3.HealthCheck",
        "pass_through_mode": False,
        "headers": [{"name": ":path", "string_match": {"exact": "/ready"}}],
    }
    router = {"@type": extension + "http.router.v3.Router"}
    manager = {
        "@type": extension + "network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "health",
        "route_config": {"name": "health", "virtual_hosts": []},
        "http_filters": [
            {"name": "envoy.filters.http.health_check", "typed_config": ready},
            {"name": "envoy.filters.http.router", "typed_config": router},
        ],
        "stream_idle_timeout": "5s",
        "request_headers_timeout": "5s",
    }
    place = {"address": settings.health_address, "port_value": settings.health_port}
    network = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    return {
        "name": "health",
        "address": {"socket_address": place},
        "filter_chains": [{"filters": [network]}],
        "enable_reuse_port": False,
    }


def _all_envoys(settings: Settings) -> dict[str, Any]:
    """Return the cluster that tells an Envoy how many there are, itself included; it calls nobody there."""
    return {
        "name": ENVOYS,
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "dns_refresh_rate": "1s",
        "respect_dns_ttl": False,
        "connect_timeout": "1s",
        "load_assignment": endpoints(ENVOYS, settings.envoys),
    }


def _watched(state: Path, name: str) -> dict[str, Any]:
    """Return where a secret comes from: a file that is watched, so that a renewed one needs no restart."""
    place = {"path": str(state / f"{name}.json"), "watched_directory": {"path": str(state)}}
    return {"name": name, "sds_config": {"resource_api_version": "V3", "path_config_source": place}}


def bootstrap(settings: Settings) -> dict[str, Any]:
    """Return Envoy's bootstrap: its node, its admin page on loopback, and the way to the control plane."""
    state = settings.state_dir.resolve()
    ads = {
        "api_type": "DELTA_GRPC",
        "transport_api_version": "V3",
        "set_node_on_first_message_only": True,
        "grpc_services": [
            {
                "envoy_grpc": {
                    "cluster_name": "xds",
                    "retry_policy": {"retry_back_off": {"base_interval": "0.2s", "max_interval": "1s"}},
                }
            }
        ],
    }
    source = {"ads": {}, "resource_api_version": "V3", "initial_fetch_timeout": "10s"}
    tls = {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
            "sni": "xds.ndx.internal",
            "common_tls_context": {
                "tls_certificate_sds_secret_configs": [_watched(state, ENVOY_IDENTITY)],
                "combined_validation_context": {
                    "default_validation_context": {
                        "match_typed_subject_alt_names": [
                            {"san_type": "DNS", "matcher": {"exact": "xds.ndx.internal"}}
                        ],
                    },
                    "validation_context_sds_secret_config": _watched(state, ENVOY_ANCHOR),
                },
                "alpn_protocols": ["h2"],
            },
        },
    }
    places = [(settings.xds_address, settings.xds_port)]
    if settings.standby_port is not None:
        places.append(("127.0.0.1", settings.standby_port))
    cluster = {
        "name": "xds",
        "type": "STRICT_DNS",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {
                    "http2_protocol_options": {"connection_keepalive": {"interval": "10s", "timeout": "5s"}}
                },
            }
        },
        "load_assignment": {
            "cluster_name": "xds",
            "endpoints": [
                {
                    "priority": priority,
                    "lb_endpoints": [
                        {"endpoint": {"address": {"socket_address": {"address": host, "port_value": port}}}}
                    ],
                }
                for priority, (host, port) in enumerate(places)
            ],
        },
        "transport_socket": tls,
        **(_LOOKED_AFTER if len(places) > 1 else {}),
    }
    connections = {
        "name": "envoy.resource_monitors.global_downstream_max_connections",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
            ".DownstreamConnectionsConfig",
            "max_active_downstream_connections": _MOST_CONNECTIONS,
        },
    }
    node: dict[str, Any] = {"id": settings.node, "cluster": "ndx-gateway"}
    if settings.door_ports is not None:
        node["metadata"] = {DOOR_PORTS: settings.door_ports}
    shared = {"cluster_manager": {"local_cluster_name": ENVOYS}} if settings.envoys else {}
    return {
        "node": node,
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": settings.admin_port}}},
        "dynamic_resources": {"ads_config": ads, "lds_config": source, "cds_config": source},
        "static_resources": {
            "clusters": [cluster, _all_envoys(settings)] if settings.envoys else [cluster],
            "listeners": [] if settings.health_port is None else [_health(settings)],
        },
        "layered_runtime": {"layers": [{"name": "static", "static_layer": _RUNTIME}]},
        "overload_manager": {"resource_monitors": [connections]},
        **shared,
    }


def main() -> int:
    """Write the file."""
    parser = argparse.ArgumentParser(prog="python -m gateway.xds.bootstrap")
    parser.add_argument("--out", type=Path, required=True)
    target: Path = parser.parse_args().out
    target.write_text(json.dumps(bootstrap(Settings()), indent=1), encoding="utf-8")
    sys.stdout.write(f"{target} is written\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
