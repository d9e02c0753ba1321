"""Sends the access log of the Envoy beside it to the control plane, from where that has it on."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

import grpc
from ndx_chassis.problems import where
from ndx_chassis.telemetry import log

from gateway.calls import log_file
from gateway.xds.channel import control_plane
from gateway.xds.log_wire import opened, place_of, say_piece, say_place

_LOOK_SECONDS = 1.0
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Shipper:
    """The log of one Envoy on its way; nothing is kept here, for the log and the control plane keep it."""

    folder: Path
    control_plane: str
    node: str
    access_log: Path
    look_seconds: float = _LOOK_SECONDS

    async def run(self) -> None:
        """Send for ever."""
        while True:
            try:
                await self._stream()
            except (grpc.RpcError, OSError) as error:
                log.warning("log_not_sent", error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - sending must go on
                log.error("log_not_sent", error=type(error).__name__, where=where(error))
            await asyncio.sleep(_RETRY_SECONDS)

    async def _stream(self) -> None:
        async with control_plane(self.folder, self.control_plane) as channel:
            call = opened(channel)
            try:
                await call.write(say_place(self.node, None))
                while (answer := await call.read()) is not grpc.aio.EOF:  # type: ignore[attr-defined]  # not in the stubs
                    place = place_of(answer).place
                    while (piece := await asyncio.to_thread(log_file.read, self.access_log, place)) is None:
                        await asyncio.sleep(self.look_seconds)
                        if call.done():
                            return
                    await call.write(say_piece(place, piece))
            finally:
                call.cancel()
