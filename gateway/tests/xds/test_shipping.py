"""The log of an Envoy elsewhere: every line arrives once, whoever of the two sides is killed in between."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import grpc
import httpx
import pytest
from fastapi import FastAPI
from gateway.calls import service
from gateway.calls.log_file import Piece, Place
from gateway.xds.channel import control_plane
from gateway.xds.log_server import LogServer
from gateway.xds.log_wire import opened, place_of, read_sent, say_piece, say_place
from gateway.xds.shipping import Shipper
from ndx_chassis.app import Runtime
from ndx_testing.bus import PERSON, Bus
from ndx_testing.envoy import until
from sqlalchemy import text

pytestmark = pytest.mark.integration
PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
Kept = Callable[[], Awaitable[Counter[str]]]


@pytest.fixture
async def taking(live: Bus, bus: FastAPI, runtime: Runtime) -> AsyncIterator[Bus]:
    """Give a bus whose control plane takes logs into the tables."""
    await live.stop_control_plane()
    await live.start_control_plane(logs=LogServer(runtime))
    yield live
    await live.stop_control_plane()
    await live.start_control_plane()


@pytest.fixture
def kept(runtime: Runtime) -> Kept:
    """Count how often each call was kept, by request id."""

    async def count() -> Counter[str]:
        async with runtime.sessions() as session:
            return Counter((await session.scalars(text("SELECT request_id FROM calls"))).all())

    return count


def shipper(live: Bus, log: Path) -> Shipper:
    place = f"127.0.0.1:{live.settings.xds_port}"
    return Shipper(live.pki.folder, place, "envoy-9", log, look_seconds=0.05)


async def kill(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def call(client: httpx.AsyncClient, name: str) -> str:
    answer = await client.get(PERSON, headers=PURPOSE | {"NDX-Request-Id": name})
    return str(answer.headers["ndx-request-id"])


class TestShipping:
    async def test_what_a_real_envoy_logs_arrives_once_through_restarts_of_both_sides(
        self, taking: Bus, runtime: Runtime, kept: Kept
    ) -> None:
        made: list[str] = []

        async def all_kept() -> bool:
            return made != [] and set(made) <= set(await kept())

        async with taking.caller("G03:insurance-link") as client:
            for turn in range(3):
                task = asyncio.create_task(shipper(taking, taking.access_log).run())
                made += [
                    await call(client, f"00000000-0000-4000-8000-00000000{turn}{n:03}") for n in range(20)
                ]
                if turn == 1:
                    # The control plane is killed while lines are on their way, and comes back.
                    await taking.stop_control_plane()
                    made.append(await call(client, "00000000-0000-4000-8000-0000000000ff"))
                    await taking.start_control_plane(logs=LogServer(runtime))
                if turn == 2:
                    await until(all_kept, seconds=30, what="every call")
                await kill(task)
        found = await kept()
        assert {found[name] for name in made} == {1}
        async with runtime.sessions() as session:
            assert await service.place(session, "envoy:envoy-9") is not None
            agencies = await session.scalars(text("SELECT DISTINCT agency FROM calls WHERE agency = 'G03'"))
            assert agencies.all() == ["G03"]

    async def test_an_answer_that_was_lost_keeps_nothing_twice(
        self, taking: Bus, kept: Kept, tmp_path: Path
    ) -> None:
        said = b'{"time":"%s","status":200,"request_id":"r-%d","reason":"via_upstream"}'
        now = datetime.now(UTC).isoformat().encode()
        line = (said % (now, number) for number in range(3))
        first = say_piece(None, Piece([next(line), next(line)], Place(7, 200)))
        late = say_piece(Place(7, 200), Piece([next(line)], Place(7, 300)))
        for piece, place in ((first, 200), (first, 200), (late, 300), (first, 300), (late, 300)):
            # Each time the line breaks after the piece was sent, and the standby knows nothing of the answer.
            async with control_plane(taking.pki.folder, f"127.0.0.1:{taking.settings.xds_port}") as channel:
                stream = opened(channel)
                await stream.write(say_place("envoy-9", None))
                await stream.read()
                await stream.write(piece)
                assert place_of(await stream.read()).place == Place(7, place)
                stream.cancel()
        assert await kept() == {"r-0": 1, "r-1": 1, "r-2": 1}

    async def test_nobody_but_an_envoy_is_listened_to(self, taking: Bus, kept: Kept) -> None:
        folder = taking.pki.folder
        key, certificate, anchor = (
            (folder / name).read_bytes() for name in ("provider.key", "provider.crt", "internal-ca.crt")
        )
        async with grpc.aio.secure_channel(
            f"127.0.0.1:{taking.settings.xds_port}",
            grpc.ssl_channel_credentials(anchor, key, certificate),
            options=[("grpc.ssl_target_name_override", "xds.ndx.internal")],
        ) as channel:
            stream = opened(channel)
            with contextlib.suppress(grpc.RpcError):
                await stream.write(say_place("envoy-9", None))
            with pytest.raises(grpc.RpcError):
                await stream.read()
        assert await kept() == {}


class TestWire:
    def test_a_piece_is_read_as_it_was_said(self) -> None:
        piece = Piece([b"{}", b'{"a":1}'], Place(3, 17), lost=True)
        sent = read_sent(say_piece(Place(3, 4), piece))
        assert (sent.since, sent.place, sent.lost, sent.lines) == (
            Place(3, 4),
            piece.place,
            True,
            piece.lines,
        )
        assert read_sent(say_piece(None, Piece([], Place(1, 0)))).lines == []

    @pytest.mark.parametrize("wrong", [b"", b"[]", b'{"node":""}', b'{"node":7}'])
    def test_what_names_no_node_is_refused(self, wrong: bytes) -> None:
        with pytest.raises(ValueError):  # noqa: PT011 - of JSON, or ours
            place_of(wrong)
