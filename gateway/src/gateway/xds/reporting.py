"""What Envoy writes about each call: spans and access log, both without the path."""

from typing import Any

from ndx_contracts import headers

from gateway.xds import names
from gateway.xds.snapshot import Doors

_PURPOSE = f"%REQ({headers.PURPOSE.upper()}):40%"


def _provider(doors: Doors) -> dict[str, Any] | None:
    if doors.zipkin:
        return {
            "name": "envoy.tracers.zipkin",
            "typed_config": {
                "@type": names.TYPE + "envoy.config.trace.v3.ZipkinConfig",
                "collector_cluster": "zipkin",
                "collector_endpoint": "/api/v2/spans",
                "collector_endpoint_version": "HTTP_JSON",
                "trace_id_128bit": True,
                "shared_span_context": False,
                "trace_context_option": "USE_B3_WITH_W3C_PROPAGATION",
            },
        }
    if doors.otlp:
        return {
            "name": "envoy.tracers.opentelemetry",
            "typed_config": {
                "@type": names.TYPE + "envoy.config.trace.v3.OpenTelemetryConfig",
                "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
                "service_name": "ndx-gateway",
            },
        }
    return None


def tracing(doors: Doors) -> dict[str, Any] | None:
    """Return how spans are made, or None when there is nowhere to send them.

    One span per call: the provider's own span hangs below it and tells the rest, and a second span of the
    same call costs Envoy a tenth of its work.
    """
    provider = _provider(doors)
    if provider is None:
        return None
    tags = {
        "ndx.agency": names.AGENCY_VALUE,
        "ndx.agreement": names.AGREEMENT_VALUE,
        "ndx.operation": "%ROUTE_NAME%",
        "ndx.purpose": _PURPOSE,
        "ndx.request_id": f"%REQ({headers.REQUEST_ID.upper()})%",
    }
    return {
        "random_sampling": {"value": doors.sampling},
        # A path may hold a personal ID: one character of it, the first slash, goes into a span.
        "max_path_tag_length": 1,
        "custom_tags": [{"tag": tag, "value": value} for tag, value in tags.items()],
        "provider": provider,
    }


def access_log(doors: Doors) -> list[dict[str, Any]]:
    """Return one JSON line per call; the operation stands for method and path."""
    fields = {
        "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
        "agency": names.AGENCY_VALUE,
        "caller": "%DOWNSTREAM_PEER_URI_SAN%",
        "agreement": names.AGREEMENT_VALUE,
        "operation": "%ROUTE_NAME%",
        "purpose": _PURPOSE,
        "method": "%REQ(:METHOD)%",
        "status": "%RESPONSE_CODE%",
        "reason": "%RESPONSE_CODE_DETAILS%",
        "flags": "%RESPONSE_FLAGS%",
        "tls_failure": "%DOWNSTREAM_TRANSPORT_FAILURE_REASON%",
        "duration_ms": "%DURATION%",
        "request_out_ms": "%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:ms)%",
        "quota_until": f"%RESP({names.QUOTA_UNTIL_HEADER.upper()})%",
        "upstream_ms": "%COMMON_DURATION(US_TX_END:US_RX_BEG:ms)%",
        "bytes_in": "%BYTES_RECEIVED%",
        "bytes_out": "%BYTES_SENT%",
        "request_id": f"%REQ({headers.REQUEST_ID.upper()})%",
        "trace_id": "%TRACE_ID%",
    }
    return [
        {
            "name": "envoy.access_loggers.file",
            "typed_config": {
                "@type": names.EXTENSION + "access_loggers.file.v3.FileAccessLog",
                "path": doors.access_log,
                "log_format": {"json_format": fields},
            },
        }
    ]
