"""What happens to every request before its route: trace context, size limit, request id in the reply.

A hot operation is a plain route: it gets this and the signed exchange, and nothing of FastAPI.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

from fastapi import FastAPI
from ndx_contracts.headers import REQUEST_ID
from opentelemetry.trace import SpanKind
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ndx_chassis.errors import PayloadTooLarge
from ndx_chassis.metrics import Metrics
from ndx_chassis.problems import problem_response
from ndx_chassis.telemetry import extract, inbound, is_sampled, span

_TRACEPARENT, _LENGTH, _REQUEST_ID = b"traceparent", b"content-length", REQUEST_ID.lower().encode()


@dataclass(frozen=True, slots=True)
class PlainRoute:
    """A hot operation served without FastAPI's machinery, but described in the same OpenAPI."""

    route: Route
    openapi_path: dict[str, Any]
    """The path item's operation object, including operationId and x-ndx-operation."""


class PlainDoor:
    """Serves plain routes through the layers that every request has; hands all other requests on.

    The layers of FastAPI and Starlette beside them cost a lookup about an eighth of its time.
    """

    def __init__(self, framed: ASGIApp, rest: ASGIApp, routes: Sequence[Route]) -> None:
        self._framed = framed
        self._rest = rest
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            for route in self._routes:
                match, found = route.matches(scope)
                if match is Match.FULL:
                    scope.update(found, route=route)
                    await self._framed(scope, receive, send)
                    return
        await self._rest(scope, receive, send)


async def serve_plain(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a plain route's request; errors become what they become anywhere else."""
    request = Request(scope, receive, send)
    try:
        response = await scope["endpoint"](request)
    except TooLarge:
        raise
    except Exception as error:  # noqa: BLE001 - the handlers know all of them
        handlers = request.app.exception_handlers
        handler = next(handlers[kind] for kind in type(error).__mro__ if kind in handlers)
        response = await handler(request, error)
    await response(scope, receive, send)


class PlainApp(FastAPI):
    """FastAPI behind a door that serves the plain routes by itself."""

    plain: Sequence[Route] = ()

    def build_middleware_stack(self) -> ASGIApp:
        """Return what every request goes through."""
        rest = super().build_middleware_stack()
        if not self.plain:
            return rest
        framed: ASGIApp = serve_plain
        for layer, args, kwargs in reversed(self.user_middleware):
            framed = layer(framed, *args, **kwargs)
        return PlainDoor(framed, rest, self.plain)


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
        # Read once, and of a name that comes twice the first, as everywhere.
        sent = dict(reversed(scope["headers"]))
        parent = sent[_TRACEPARENT].decode("latin-1") if _TRACEPARENT in sent else None
        with inbound(parent):
            if not is_sampled(parent) or scope["path"].startswith("/health/"):
                await self._serve(scope, receive, send, sent)
                return
            with span(
                f"{scope['method']}",
                kind=SpanKind.SERVER,
                parent=extract({"traceparent": parent} if parent else {}),
                http__request__method=scope["method"],
            ) as current:
                status = await self._serve(scope, receive, send, sent)
                # The template, never the path: a path may hold a personal ID.
                route = getattr(scope.get("route"), "path", "unknown")
                current.update_name(f"{scope['method']} {route}")
                current.set_attribute("http.route", route)
                current.set_attribute("http.response.status_code", status)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, sent: dict[bytes, bytes]) -> int:
        started = perf_counter()
        status = 500  # what an exception becomes that nobody below takes
        try:
            status = await self._limited(scope, receive, send, sent)
        finally:
            route = getattr(scope.get("route"), "path", None)
            self._metrics.request_ended(scope["method"], route, status, perf_counter() - started)
        return status

    async def _limited(self, scope: Scope, receive: Receive, send: Send, sent: dict[bytes, bytes]) -> int:
        request_id = sent.get(_REQUEST_ID)
        declared = sent.get(_LENGTH, b"0")
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
                    kept = [header for header in message.get("headers", ()) if header[0] != _REQUEST_ID]
                    message["headers"] = [*kept, (_REQUEST_ID, request_id)]
            await send(message)

        if not declared.isdigit() or int(declared) > self._limit:
            await problem_response(Request(scope), PayloadTooLarge())(scope, receive, stamped)
            return status
        try:
            await self._app(scope, counted if declared == b"0" else receive, stamped)
        except TooLarge:
            if not status:
                await problem_response(Request(scope), PayloadTooLarge())(scope, receive, stamped)
        return status
