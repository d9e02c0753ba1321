"""The two listeners. They never change while Envoy runs, so no connection is ever drained."""

from typing import Any

from ndx_contracts import headers

from gateway.authorities.service import LONGEST_CONNECTION
from gateway.xds import matchers, names, wire
from gateway.xds.agency_filter import from_metadata, rate_limit
from gateway.xds.protos import Predicate
from gateway.xds.replies import local_replies
from gateway.xds.reporting import access_log, tracing
from gateway.xds.routes import CITIZENS
from gateway.xds.snapshot import Doors

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
# With the commas by which a repeated header is known.
_CODES = "[A-Z_, ]*"
# What a connection keeps of its caller's certificate for the filters of its calls.
_KEPT = {
    matchers.FINGERPRINT_KEY: "%DOWNSTREAM_PEER_FINGERPRINT_256%",
    matchers.ISSUER_KEY: "%DOWNSTREAM_PEER_ISSUER%",
    matchers.SERIAL_KEY: "%DOWNSTREAM_PEER_SERIAL%",
}
_CIPHERS = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
)
_MUTATION = "filters.http.header_mutation.v3.HeaderMutation"
# What a caller must not decide: who it is, how it is traced, and how Envoy treats it.
_STRIPPED = (
    *(name.lower() for name in headers.SET_BY_GATEWAY),
    names.TRACE_HEADER,
    names.QUOTA_HEADER,
    names.QUOTA_BUCKET_HEADER,
    "x-request-id",
    "x-forwarded-for",
    "x-envoy-force-trace",
    "x-client-trace-id",
    "x-envoy-decorator-operation",
    "x-envoy-original-path",
)


def _filter(name: str, kind: str, **body: Any) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": names.EXTENSION + kind, **body}}


def _discovered(name: str, kind: str, *, disabled: bool = False) -> dict[str, Any]:
    """Return a filter by discovery; a disabled one runs only on routes that switch it on."""
    source = {**names.ADS, "initial_fetch_timeout": "10s"}
    found = {"name": name, "config_discovery": {"config_source": source, "type_urls": [kind]}}
    return found | {"disabled": True} if disabled else found


def _quota() -> list[dict[str, Any]]:
    """Return both quota filters, which cost nothing but on the routes that turn them on."""
    key = _filter(names.QUOTA_KEY_FILTER, _MUTATION)
    return [{**key, "disabled": True}, {**_discovered(names.QUOTA_FILTER, names.QUOTA), "disabled": True}]


def _set(key: str, value: str) -> dict[str, Any]:
    return {"append": names.header_to_add(key, value)}


def _unless_fits(name: str, header: str, regex: str, mutation: dict[str, Any]) -> dict[str, Any]:
    """Return a filter that changes the request unless the whole value of a header fits the expression."""
    keep = {
        "action": {
            "name": "skip",
            "typed_config": {"@type": names.EXTENSION + "filters.common.matcher.action.v3.SkipFilter"},
        }
    }
    fits = wire.decode(Predicate, matchers.header_fits(header.lower(), regex))
    return {
        "name": name,
        "typed_config": {
            "@type": names.EXTENSION + "common.matching.v3.ExtensionWithMatcher",
            "xds_matcher": {"matcher_list": {"matchers": [{"predicate": fits, "on_match": keep}]}},
            "extension_config": _filter(
                f"{name}-new", _MUTATION, mutations={"request_mutations": [mutation]}
            ),
        },
    }


def _request_id() -> list[dict[str, Any]]:
    """Return the filters that name each call, echo the name, and keep the trace for local replies."""
    unless_uuid = _unless_fits(
        "ndx.request-id", headers.REQUEST_ID, _UUID, _set(headers.REQUEST_ID, "%REQ(X-REQUEST-ID)%")
    )
    echo = _filter(
        "ndx.trace",
        _MUTATION,
        mutations={
            "request_mutations": [_set(names.TRACE_HEADER, "%TRACE_ID%")],
            "response_mutations": [
                _set(headers.REQUEST_ID, f"%REQ({headers.REQUEST_ID.upper()})%"),
                _set("traceparent", "%REQ(TRACEPARENT)%"),
            ],
        },
    )
    return [unless_uuid, echo]


def _purpose() -> dict[str, Any]:
    """Return the filter that blanks what is no purpose code: logs and spans show the purpose of each call."""
    blank = {"header": {"key": headers.PURPOSE, "value": "?"}, "append_action": "OVERWRITE_IF_EXISTS"}
    return _unless_fits("ndx.purpose", headers.PURPOSE, _CODES, {"append": blank})


def _manager(doors: Doors, prefix: str, filters: list[dict[str, Any]]) -> dict[str, Any]:
    manager: dict[str, Any] = {
        "@type": names.EXTENSION + "filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": prefix,
        "http_filters": [
            *_request_id(),
            _purpose(),
            *filters,
            _filter("ndx.buffer", "filters.http.buffer.v3.Buffer", max_request_bytes=doors.max_body_bytes),
            # Nobody reads Envoy's own headers, and making them costs.
            _filter(
                "envoy.filters.http.router", "filters.http.router.v3.Router", suppress_envoy_headers=True
            ),
        ],
        "access_log": access_log(doors),
        "use_remote_address": True,
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "max_request_headers_kb": 32,
        "common_http_protocol_options": {
            "headers_with_underscores_action": "REJECT_REQUEST",
            "idle_timeout": "300s",
            "max_headers_count": 100,
            # No certificate is looked at by its list for longer than this; the connection ends politely.
            "max_connection_duration": f"{LONGEST_CONNECTION.total_seconds():g}s",
        },
        "http2_protocol_options": {
            "max_concurrent_streams": 100,
            "initial_stream_window_size": 262_144,
            "initial_connection_window_size": 1_048_576,
            # What is malformed in one stream says nothing about the others of the connection.
            "override_stream_error_on_invalid_http_message": True,
        },
        "stream_idle_timeout": "60s",
        "request_headers_timeout": f"{doors.request_headers_seconds:g}s",
        "request_timeout": f"{doors.request_seconds:g}s",
        "local_reply_config": local_replies(doors.day_offset_seconds),
        "forward_client_cert_details": "SANITIZE",
        "server_header_transformation": "PASS_THROUGH",
        "early_header_mutation_extensions": [
            _filter(
                "strip",
                "http.early_header_mutation.header_mutation.v3.HeaderMutation",
                mutations=[{"remove": name} for name in _STRIPPED],
            )
        ],
    }
    how = tracing(doors)
    if how is not None:
        manager["tracing"] = how
    return manager


def _tls(*, client_certificate: bool) -> dict[str, Any]:
    common: dict[str, Any] = {
        # With forward secrecy and authenticated encryption only; TLS 1.3 knows no other.
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2", "cipher_suites": list(_CIPHERS)},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [{"name": "public_cert", "sds_config": names.ADS}],
    }
    if client_certificate:
        common["validation_context_sds_secret_config"] = {"name": "agency_ca", "sds_config": names.ADS}
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": names.EXTENSION + "transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": common,
            "require_client_certificate": client_certificate,
        },
    }


def _listener(name: str, doors: Doors, port: int, chain: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "address": {"socket_address": {"address": doors.address, "port_value": port}},
        "filter_chains": [
            {**chain, "transport_socket_connect_timeout": f"{doors.handshake_seconds:g}s"},
        ],
        # A body that is buffered whole must fit.
        "per_connection_buffer_limit_bytes": doors.max_body_bytes + 262_144,
        # With a shared port a stale Envoy would silently go on taking half of the calls.
        "enable_reuse_port": False,
    }


def agencies_listener(doors: Doors) -> dict[str, Any]:
    """Return the door of agency systems and operators: mutual TLS."""
    manager = _manager(
        doors,
        "agencies",
        [
            # Refuses nothing: names the class of the caller's agency where a route asks for it.
            _discovered(names.CLASS_FILTER, names.RBAC, disabled=True),
            _discovered(names.STOP_FILTER, names.RBAC),
            _discovered(names.AGENCY_FILTER, names.RBAC),
            _filter(names.AGREEMENT_FILTER, "filters.http.rbac.v3.RBAC", rules_stat_prefix="agr_"),
            _discovered(names.BURST_FILTER, names.LOCAL_RATE_LIMIT),
            *_quota(),
        ],
    )
    manager["scoped_routes"] = {
        "name": "agencies",
        "scope_key_builder": {
            "fragments": [{"header_value_extractor": {"name": ":path", "element_separator": "/", "index": 1}}]
        },
        "rds_config_source": names.ADS,
        "scoped_rds": {"scoped_rds_config_source": names.ADS},
    }
    state = _filter(
        "envoy.filters.network.set_filter_state",
        "filters.network.set_filter_state.v3.Config",
        # Renamed to on_downstream_tls_handshake by the compiler: the published stubs lack that field.
        on_new_connection=[
            {
                "object_key": key,
                "factory_key": "envoy.string",
                "format_string": {"text_format_source": {"inline_string": value}},
                "shared_with_upstream": "NONE",
            }
            for key, value in _KEPT.items()
        ],
    )
    http = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    chain = {"filters": [state, http], "transport_socket": _tls(client_certificate=True)}
    return _listener("agencies", doors, doors.listener_port, chain)


def _token_filter(doors: Doors) -> dict[str, Any]:
    provider = {
        "issuer": doors.issuer,
        "audiences": [doors.audience],
        "remote_jwks": {
            "http_uri": {
                "uri": "https://auth.ndx.internal/auth/v1/jwks",
                "cluster": names.cluster("auth"),
                "timeout": "2s",
            },
            "cache_duration": "300s",
            # The door opens at once; until the keys are there, tokens are refused.
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
        },
        "claim_to_headers": [
            {"header_name": headers.CITIZEN, "claim_name": "sub"},
            {"header_name": headers.ACR, "claim_name": "acr"},
        ],
        "clock_skew_seconds": 30,
        "require_expiration": True,
    }
    return _filter(
        names.JWT_FILTER,
        "filters.http.jwt_authn.v3.JwtAuthentication",
        providers={"eid": provider},
        requirement_map={"citizen": {"provider_name": "eid"}},
    )


def _citizen_burst(doors: Doors) -> dict[str, Any]:
    """Return one bucket for each e-ID account, and one for each address that calls the control plane."""

    def bucket(rate: int) -> dict[str, Any]:
        return {"max_tokens": 2 * rate, "tokens_per_fill": rate, "fill_interval": "1s"}

    account = {"request_headers": {"header_name": headers.CITIZEN.lower(), "descriptor_key": "citizen"}}
    nobody = [from_metadata("door", "ROUTE_ENTRY", names.ROUTE_METADATA, "door"), {"remote_address": {}}]
    limit = rate_limit(
        [
            {"entries": [{"key": "citizen"}], "token_bucket": bucket(doors.citizen_per_second)},
            {
                "entries": [{"key": "door", "value": "control"}, {"key": "remote_address"}],
                "token_bucket": bucket(doors.source_per_second),
            },
        ],
        [[account], nobody],
        shared=doors.shared_rates,
    )
    limit["max_dynamic_descriptors"] = 50_000
    return {"name": names.BURST_FILTER, "typed_config": {"@type": names.LOCAL_RATE_LIMIT, **limit}}


def citizens_listener(doors: Doors) -> dict[str, Any]:
    """Return the citizens' door: TLS, and a token of the e-ID provider where the operation needs one."""
    levels = _filter(names.ACR_FILTER, "filters.http.rbac.v3.RBAC", rules_stat_prefix="acr_")
    manager = _manager(doors, "citizens", [_token_filter(doors), levels, _citizen_burst(doors)])
    manager["rds"] = {"config_source": names.ADS, "route_config_name": CITIZENS}
    http = {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}
    chain = {"filters": [http], "transport_socket": _tls(client_certificate=False)}
    return _listener("citizens", doors, doors.citizen_port, chain)
