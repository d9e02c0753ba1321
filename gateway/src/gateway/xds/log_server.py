"""Takes the access logs of Envoys elsewhere: what is sent is kept together with the place after it.

One stream per Envoy, from the standby beside it. It says which log it has; it is told how far that has been
read, sends the next whole lines, and is told the place after them when they are committed. So whoever of the
two starts anew, the next piece is the one after what was kept: no line is lost, and none is kept twice.
"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
from ndx_chassis.app import Runtime
from ndx_chassis.telemetry import log

from gateway.calls import service
from gateway.calls.log_file import Piece, Place
from gateway.xds.log_wire import METHOD, SERVICE, Sent, place_of, read_sent, say_place
from gateway.xds.server import ENVOY_URI
from gateway.xds.source import settings_of


class LogServer:
    """Serves the standbys that are connected to this control plane."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def handler(self) -> Any:
        """Return what the gRPC server is told of this service."""
        taking = grpc.stream_stream_rpc_method_handler(self.take)
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: taking})

    async def take(
        self, pieces: AsyncIterator[bytes], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[bytes]:
        """Answer the name of a log with the place in it, and each piece with the place after it."""
        peer = context.auth_context().get("x509_subject_alternative_name", [])
        if ENVOY_URI.encode() not in peer:
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, "only an Envoy sends its log")
        node = None
        async for message in pieces:
            if node is None:
                node = place_of(message).node
                async with self._runtime.sessions() as session, session.begin():
                    place = await service.place(session, f"envoy:{node}")
                log.info("log_followed", node=node)
            else:
                place = await self._keep(f"envoy:{node}", read_sent(message))
            yield say_place(node, place)

    async def _keep(self, name: str, sent: Sent) -> Place | None:
        """Keep a piece if it is the one that comes next; return the place after what has been kept."""
        now = datetime.now(UTC)
        oldest = (now - timedelta(days=settings_of(self._runtime).calls_days_kept)).date()
        async with self._runtime.sessions() as session, session.begin():
            place = await service.place(session, name)
            if place != sent.since:
                return place
            piece = Piece(sent.lines, sent.place, sent.lost)
            kept = await service.take_in(session, name, piece, oldest=oldest, now=now)
        service.counted(self._runtime, kept)
        return sent.place
