"""What happens to every request before its route: trace context, size limit, request id in the reply."""

from time import perf_counter

from ndx_contracts.headers import REQUEST_ID
from opentelemetry.trace import SpanKind
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ndx_chassis.errors import PayloadTooLarge
from ndx_chassis.metrics import Metrics
from ndx_chassis.problems import STATUS, problem_response
from ndx_chassis.telemetry import extract, inbound, is_sampled, span


class TooLarge(Exception):
    """More bytes came than the limit allows."""


class RequestFrame:
    """A plain ASGI middleware: the hot path passes here too, so it does little."""

    def __init__(self, app: ASGIApp, max_body_bytes: int, metrics: Metrics) -> None:
        self._app = app
        self._limit = max_body_bytes
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        parent = headers.get("traceparent")
        with inbound(parent):
            if not is_sampled(parent) or scope["path"].startswith("/health/"):
                await self._serve(scope, receive, send, headers)
                return
            with span(
                f"{scope['method']}",
                kind=SpanKind.SERVER,
                parent=extract({"traceparent": parent} if parent else {}),
                http__request__method=scope["method"],
            ) as current:
                status = await self._serve(scope, receive, send, headers)
                # The template, never the path: a path may hold a personal ID.
                route = getattr(scope.get("route"), "path", "unknown")
                current.update_name(f"{scope['method']} {route}")
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", status)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> int:
        started = perf_counter()
        status = 500  # what an exception becomes that nobody below takes
        try:
            status = await self._limited(scope, receive, send, headers)
        finally:
            route = getattr(scope.get("route"), "path", None)
            self._metrics.request_ended(scope["method"], route, status, perf_counter() - started)
        return status

    async def _limited(self, scope: Scope, receive: Receive, send: Send, headers: Headers) -> int:
        request_id = headers.get(REQUEST_ID)
        declared = headers.get("content-length", "0")
        if not declared.isdigit() or int(declared) > self._limit:
            await problem_response(Request(scope), PayloadTooLarge())(scope, receive, send)
            return STATUS[PayloadTooLarge.kind]
        seen = 0
        status = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:
                raise TooLarge
            return message

        async def stamped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if request_id:
                    MutableHeaders(scope=message)[REQUEST_ID] = request_id
            await send(message)

        try:
            await self._app(scope, counted if declared == "0" else receive, stamped)
        except TooLarge:
            if not status:
                status = STATUS[PayloadTooLarge.kind]
                await problem_response(Request(scope), PayloadTooLarge())(scope, receive, send)
        return status
