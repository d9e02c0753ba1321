"""The two listeners. They never change while Envoy runs, so no connection is ever drained."""

from typing import Any

from ndx_contracts import headers

from gateway.xds import names
from gateway.xds.agency_filter import FINGERPRINT_KEY
from gateway.xds.replies import local_replies
from gateway.xds.snapshot import Doors

_P = "type.googleapis.com/envoy.extensions."
ADS: dict[str, Any] = {"ads": {}, "resource_api_version": "V3"}


def _filter(name: str, kind: str, **body: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": _P + kind, **body}}


def _discovered(name: str, *kinds: str) -> dict[str, Any]:
    return {
        "name": name,
        "config_discovery": {
            "config_source": {**ADS, "initial_fetch_timeout": "10s"},
            "type_urls": list(kinds),
        },
    }


def _header(key: str, value: str, how: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"append": {"header": {"key": key, "value": value}, "append_action": how}}


def _identity() -> dict[str, Any]:
    """Return the filter that gives each call its request id and keeps its trace id for local replies."""
    return _filter(
        "ndx.trace",
        "filters.http.header_mutation.v3.HeaderMutation",
        mutations={
            "request_mutations": [
                _header(names.TRACE_HEADER, "%TRACE_ID%"),
                _header(headers.REQUEST_ID, "%REQ(X-REQUEST-ID)%", "ADD_IF_ABSENT"),
            ],
            "response_mutations": [_header(headers.REQUEST_ID, f"%REQ({headers.REQUEST_ID.upper()})%")],
        },
    )


def _tracing(doors: Doors) -> dict[str, Any] | None:
    if doors.zipkin:
        provider = {
            "name": "envoy.tracers.zipkin",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig",
                "collector_cluster": "zipkin",
                "collector_endpoint": "/api/v2/spans",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": True,
                "shared_span_context": False,
                "trace_context_option": "USE_B3_WITH_W3C_PROPAGATION",
            },
        }
    elif doors.otlp:
        provider = {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
                "service_name": "ndx-gateway",
            },
        }
    else:
        return None
    policy = "%DYNAMIC_METADATA(envoy.filters.http.rbac:{}_enforced_effective_policy_id)%"
    return {
        "random_sampling": {"value": doors.sampling},
        # The URL's path may hold a personal ID: none of it goes into a span.
        "max_path_tag_length": 1,
        "custom_tags": [
            {"tag": "ndx.agency", "value": policy.format("agency")},
            {"tag": "ndx.agreement", "value": policy.format("agr")},
            {"tag": "ndx.operation", "value": "%ROUTE_NAME%"},
            {"tag": "ndx.purpose", "value": "%REQ(NDX-PURPOSE)%"},
        ],
        "spawn_upstream_span": True,
        "provider": provider,
    }


def _access_log(doors: Doors) -> list[dict[str, Any]]:
    policy = "%DYNAMIC_METADATA(envoy.filters.http.rbac:{}_enforced_effective_policy_id)%"
    fields = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "agency": policy.format("agency"),
        "system": "%DOWNSTREAM_PEER_URI_SAN%",
        "agreement": policy.format("agr"),
        "operation": "%ROUTE_NAME%",
        "purpose": "%REQ(NDX-PURPOSE)%",
        "method": "%REQ(:METHOD)%",
        "status": "%RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "duration_ms": "%DURATION%",
        "upstream_ms": "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": f"%REQ({headers.REQUEST_ID.upper()})%",
        "trace_id": "%TRACE_ID%",
    }
    file = _filter(
        "envoy.access_loggers.file",
        "access_loggers.file.v3.FileAccessLog",
        path=doors.access_log,
        log_format={"json_format": fields},
    )
    return [file]


def _manager(doors: Doors, prefix: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    manager: dict[str, Any] = {
        "@type": _P + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": prefix,
        "http_filters": [
            *filters,
            _filter("envoy.filters.http.router", "filters.http.router.v3.Router"),
        ],
        "access_log": _access_log(doors),
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",
            "idle_timeout": "300s",
        },
        "stream_idle_timeout": "60s",
        "request_headers_timeout": "10s",
        "local_reply_config": local_replies(),
        "forward_client_cert_details": "SANITIZE",
        "server_header_transformation": "PASS_THROUGH",
        "early_header_mutation_extensions": [
            _filter(
                "strip",
                "http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[
                    {"remove": name.lower()} for name in (*headers.SET_BY_GATEWAY, names.TRACE_HEADER)
                ],
            )
        ],
    }
    tracing = _tracing(doors)
    if tracing is not None:
        manager["tracing"] = tracing
    return manager


def _buffer(doors: Doors) -> dict[str, Any]:
    return _filter("ndx.buffer", "filters.http.buffer.v3.Buffer", max_request_bytes=doors.max_body_bytes)


def _tls(*, client_certificate: bool) -> dict[str, Any]:
    common: dict[str, Any] = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": "public_cert", "sds_config": ADS}],
    }
    if client_certificate:
        common["validation_context_sds_secret_config"] = {"name": "agency_ca", "sds_config": ADS}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": _P + "transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": common,
            "require_client_certificate": client_certificate,
        },
    }


def _listener(name: str, address: str, port: int, chain: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "address": {"socket_address": {"address": address, "port_value": port}},
        "filter_chains": [chain],
        "per_connection_buffer_limit_bytes": 1_310_720,
        "enable_reuse_port": False,
    }


def agencies_listener(doors: Doors) -> dict[str, Any]:
    """Return the door of agency systems and operators: mutual TLS."""
    manager = _manager(
        doors,
        "agencies",
        [
            _identity(),
            _discovered(names.AGENCY_FILTER, names.RBAC),
            _filter(names.AGREEMENT_FILTER, "filters.http.rbac.v3.RBAC", rules_stat_prefix="agr_"),
            _discovered(names.BURST_FILTER, names.LOCAL_RATE_LIMIT),
            _buffer(doors),
        ],
    )
    manager["scoped_routes"] = {
        "name": "agencies",
        "scope_key_builder": {
            "fragments": [{"header_value_extractor": {"name": ":path", "element_separator": "/", "index": 1}}]
        },
        "rds_config_source": ADS,
        "scoped_rds": {"scoped_rds_config_source": ADS},
    }
    state = _filter(
        "envoy.filters.network.set_filter_state",
        "filters.network.set_filter_state.v3.Config",
        # Renamed to on_downstream_tls_handshake by the compiler: the published stubs lack that field.
        on_new_connection=[
            {
                "object_key": FINGERPRINT_KEY,
                "factory_key": "envoy.string",
                "format_string": {
                    "text_format_source": {"inline_string": "%DOWNSTREAM_PEER_FINGERPRINT_256%"}
                },
                "shared_with_upstream": "NONE",
            }
        ],
    )
    http = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    chain = {"filters": [state, http], "transport_socket": _tls(client_certificate=True)}
    return _listener("agencies", doors.address, doors.listener_port, chain)


def citizens_listener(doors: Doors) -> dict[str, Any]:
    """Return the citizens' door: TLS, and a token of the e-ID provider where the operation needs one."""
    provider = {
        "issuer": doors.issuer,
        "audiences": ["ndx-citizen"],
        "remote_jwks": {
            "http_uri": {
                "uri": "https://auth.ndx.internal/auth/v1/jwks",
                "cluster": names.cluster("auth"),
                "timeout": "2s",
            },
            "cache_duration": "300s",
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
        },
        "claim_to_headers": [
            {"header_name": headers.CITIZEN, "claim_name": "sub"},
            {"header_name": headers.ACR, "claim_name": "acr"},
        ],
        "clock_skew_seconds": 30,
        "require_expiration": True,
    }
    jwt = _filter(
        names.JWT_FILTER,
        "filters.http.jwt_authn.v3.JwtAuthentication",
        providers={"eid": provider},
        requirement_map={"citizen": {"provider_name": "eid"}},
    )
    manager = _manager(doors, "citizens", [_identity(), jwt, _buffer(doors)])
    manager["rds"] = {"config_source": ADS, "route_config_name": "routes-citizens"}
    http = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    chain = {"filters": [http], "transport_socket": _tls(client_certificate=False)}
    return _listener("citizens", doors.address, doors.citizen_port, chain)
