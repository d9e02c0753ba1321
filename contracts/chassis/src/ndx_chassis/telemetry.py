"""Logs and traces: JSON lines and a few hand-written spans, never with a personal ID."""

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Any

import structlog
from ndx_contracts.personal_ids import mask_all
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log: structlog.stdlib.BoundLogger = structlog.get_logger("ndx")

QUIET_SECONDS = 10.0
_propagator = TraceContextTextMapPropagator()
_tracer = trace.get_tracer("ndx")
_inbound: ContextVar[str | None] = ContextVar("ndx_inbound_trace", default=None)


def _mask(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    # Last line of defence: call sites log no personal IDs, this makes a slip harmless.
    return {k: mask_all(v) if isinstance(v, str) else v for k, v in event.items()}


def _add_trace(_logger: Any, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    trace_id = current_trace_id()
    if trace_id is not None:
        event["trace_id"] = trace_id
    return event


class OnceInAWhile(logging.Filter):
    """Passes what the Kafka client repeats many times a second, while Kafka is away, once in ten seconds."""

    def __init__(self) -> None:
        super().__init__()
        self._passed: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line is to be written."""
        if not record.name.startswith("aiokafka"):
            return True
        line = (record.name, str(record.msg))
        if record.created - self._passed.get(line, 0.0) < QUIET_SECONDS:
            return False
        self._passed[line] = record.created
        return True


def configure_logging(service: str, level: str) -> None:
    """Write one JSON object per line to standard error, for our events and the libraries' warnings."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
        structlog.processors.EventRenamer("event"),
        _mask,
    ]

    def add_service(
        _logger: Any, _name: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, add_service],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _mask,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(OnceInAWhile())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for noisy in ("uvicorn.access", "aiokafka", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, add_service, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level)),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def _exporter(name: str) -> SpanExporter | None:
    if name == "zipkin_json":
        from opentelemetry.exporter.zipkin.json import ZipkinExporter

        return ZipkinExporter()
    if name in {"otlp_json_http", "otlp"}:
        from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter

        return OTLPSpanExporter()
    return None


def configure_tracing(service: str, exporter_name: str) -> TracerProvider | None:
    """Send spans of sampled traces to the backend named by `OTEL_TRACES_EXPORTER`."""
    exporter = _exporter(exporter_name)
    if exporter is None:
        return None
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"ndx-{service}"}), sampler=ParentBased(ALWAYS_ON)
    )
    # Sent four times as often, the spans of a call cost the backend more than the call costs a service.
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=2_000))
    trace.set_tracer_provider(provider)
    return provider


def extract(carrier: Mapping[str, str]) -> Context:
    """Read the W3C trace context of a request or a message."""
    return _propagator.extract(dict(carrier))


def traceparent() -> str | None:
    """Return the W3C header of the current span, or of the request when it is not sampled."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent") or _inbound.get()


def current_trace_id() -> str | None:
    """Return the trace id as 32 hex digits, sampled or not."""
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        return format(context.trace_id, "032x")
    inbound = _inbound.get()
    return inbound.split("-")[1] if inbound is not None else None


def is_sampled(header: str | None) -> bool:
    """Decide sampling before the SDK is called: an unsampled request costs nothing here."""
    return header is None or (len(header) == 55 and header[54] in "13579bdf")  # noqa: PLR2004 - W3C length


class _Inbound(AbstractContextManager[None]):
    """A generator in its place takes as long as the rest of a request's frame."""

    __slots__ = ("_header", "_token")

    def __init__(self, header: str | None) -> None:
        self._header = header

    def __enter__(self) -> None:
        self._token = _inbound.set(self._header)

    def __exit__(self, *_ended: object) -> None:
        _inbound.reset(self._token)


def inbound(header: str | None) -> AbstractContextManager[None]:
    """Remember the trace context of the request or message being served."""
    valid = header is not None and len(header) == 55 and header.count("-") == 3  # noqa: PLR2004 - W3C form
    return _Inbound(header if valid else None)


@contextmanager
def span(
    name: str,
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    parent: Context | None = None,
    **attributes: str | int | bool,
) -> Iterator[Span]:
    """Record a span; attribute names with `__` stand for dots (`ndx__operation`)."""
    if parent is None and not trace.get_current_span().get_span_context().is_valid and _inbound.get():
        yield trace.INVALID_SPAN
        return
    named = {k.replace("__", "."): v for k, v in attributes.items()}
    with _tracer.start_as_current_span(
        name,
        context=parent,
        kind=kind,
        attributes=named,
        record_exception=False,
        set_status_on_exception=False,
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(Status(StatusCode.ERROR, type(error).__name__))
            raise


def mark_error(code: str) -> None:
    """Mark the current span as failed with a stable code."""
    trace.get_current_span().set_status(Status(StatusCode.ERROR, code))
