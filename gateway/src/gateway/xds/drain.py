"""Command `python -m gateway.xds.drain`: lets an Envoy leave without a failed call; then it may be ended.

Load balancers are told to send nothing more, callers are told to go with each reply, what runs is finished,
and the control plane hears that this Envoy ends and need not be missed.
"""

import asyncio
import sys
import time
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

import grpc
from ndx_chassis.telemetry import configure_logging, log

from gateway.settings import Settings
from gateway.xds import protos
from gateway.xds.channel import control_plane
from gateway.xds.stream import LEAVES

_LOOK_SECONDS = 0.1
_TELL_SECONDS = 2.0
_DOORS = ("agencies", "citizens")


def _ask(port: int, method: str, path: str) -> str:
    """Ask Envoy's admin page.

    Raises:
        OSError: no Envoy answers there.
    """
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        text = answer.read().decode()
    except HTTPException as error:
        raise OSError(f"no Envoy answers at port {port}") from error
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise OSError(f"Envoy answers {answer.status} to {path}")
    return text


def _open_calls(port: int) -> int:
    text = _ask(port, "GET", "/stats?filter=downstream_rq_active$")
    lines = (line.rsplit(": ", 1) for line in text.splitlines())
    wanted = {f"http.{door}.downstream_rq_active" for door in _DOORS}
    return sum(int(value) for name, value in lines if name in wanted)


def _finish(port: int, seconds: float) -> int:
    """Wait until no call is open, or the time is over; return how many still are."""
    deadline = time.monotonic() + seconds
    while (running := _open_calls(port)) and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return running


async def tell(settings: Settings) -> bool:
    """Tell the control plane that this Envoy ends; return whether it heard."""
    try:
        place = f"{settings.xds_address}:{settings.xds_port}"
        async with asyncio.timeout(_TELL_SECONDS), control_plane(settings.state_dir, place) as channel:
            call = protos.ads_pb2_grpc.AggregatedDiscoveryServiceStub(channel).DeltaAggregatedResources()
            node = {"id": settings.node, "metadata": {LEAVES: True}}
            await call.write(protos.discovery_pb2.DeltaDiscoveryRequest(node=node, type_url=protos.CDS))
            # The control plane ends the stream when it has noted it.
            await call.read()
    except (grpc.RpcError, OSError, TimeoutError) as error:
        log.warning("control_plane_away", error=type(error).__name__)
        return False
    return True


async def drain(settings: Settings) -> bool:
    """Return when this Envoy may end; False when calls were still open at the end of the time.

    Raises:
        OSError: no Envoy answers at its admin port.
    """
    port = settings.admin_port
    # From now on each reply closes its connection (HTTP/1.1) or announces its end (HTTP/2).
    await asyncio.to_thread(_ask, port, "POST", "/healthcheck/fail")
    log.info("envoy_leaves", node=settings.node)
    await asyncio.sleep(settings.envoy_drain_seconds)
    running = await asyncio.to_thread(_finish, port, settings.envoy_finish_seconds)
    await tell(settings)
    if running:
        log.warning("calls_still_open", waiting=running)
    return not running


def main() -> int:
    """Run beside the Envoy that is to be ended; settings are those of its bootstrap."""
    settings = Settings()
    configure_logging("gateway-drain", settings.log_level)
    try:
        return 0 if asyncio.run(drain(settings)) else 1
    except OSError as error:
        sys.stderr.write(f"ndx: {error}\n")
        return 1


if __name__ == "__main__":
    raise SystemExit(main())
