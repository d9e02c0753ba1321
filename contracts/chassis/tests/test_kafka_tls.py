"""Kafka by TLS: every client asks who the broker is, and shows who it is itself."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from gateway.authorities import authority
from ndx_chassis import kafka
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Subscription
from ndx_chassis.reader import Reader
from ndx_chassis.relay import Relay
from ndx_chassis.settings import kafka_client
from ndx_local import topics
from pydantic import ValidationError

URI = "urn:ndx:service:test"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the brokers' authority, a broker's certificate and a client's, and tell the clients of it."""
    ca = authority.open_authority(tmp_path, "ca", "brokers' CA")
    authority.issue_server(ca, tmp_path, "broker", ["localhost", "127.0.0.1"])
    authority.issue_client(ca, tmp_path, "client", URI)
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    monkeypatch.setenv("KAFKA_CA_FILE", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("KAFKA_CERT_FILE", str(tmp_path / "client.crt"))
    monkeypatch.setenv("KAFKA_KEY_FILE", str(tmp_path / "client.key"))
    return tmp_path


@asynccontextmanager
async def broker(files: Path) -> AsyncIterator[tuple[str, asyncio.Queue[list[str]]]]:
    """Open a port that speaks TLS with known clients only, notes who they are, and hangs up."""
    shown: asyncio.Queue[list[str]] = asyncio.Queue()

    async def meet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names: Any = writer.get_extra_info("peercert").get("subjectAltName", ())
        shown.put_nowait([name for _, name in names])
        writer.close()

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=files / "ca.crt")
    context.load_cert_chain(files / "broker.crt", files / "broker.key")
    context.verify_mode = ssl.CERT_REQUIRED
    server = await asyncio.start_server(meet, "localhost", 0, ssl=context)
    async with server:
        yield f"localhost:{server.sockets[0].getsockname()[1]}", shown


async def nothing(_: bytes) -> None:
    """Take what never comes."""


@pytest.mark.parametrize("client", ["follower", "reader", "relay", "topics"])
async def test_each_client_shows_its_certificate(
    client: str, files: Path, runtime: Runtime, database_url: str
) -> None:
    async with broker(files) as (servers, shown):
        work = {
            "follower": lambda: kafka.follow("t", servers, nothing, asyncio.Event()),
            "reader": lambda: Reader(runtime, [Subscription("t", "t")], servers).run(),
            "relay": lambda: Relay("test", database_url, servers).run(),
            "topics": lambda: topics.create(servers),
        }[client]()
        running = asyncio.create_task(work)
        try:
            async with asyncio.timeout(30):
                assert await shown.get() == [URI]
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def test_a_broker_of_another_authority_is_not_spoken_to(files: Path, tmp_path_factory: Any) -> None:
    folder = tmp_path_factory.mktemp("other")
    ca = authority.open_authority(folder, "ca", "another CA")
    authority.issue_server(ca, folder, "broker", ["localhost"])
    (folder / "ca.crt").write_bytes((files / "ca.crt").read_bytes())
    async with broker(folder) as (servers, shown):
        with pytest.raises(KafkaConnectionError):
            await topics.create(servers, wait_seconds=0)
        assert shown.empty()


def test_a_certificate_that_is_away_or_a_protocol_that_is_not_known_is_said_at_the_start(
    files: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert kafka_client("broker:9093")["security_protocol"] == "SSL"
    (files / "client.crt").unlink()
    with pytest.raises(FileNotFoundError):
        kafka_client("broker:9093")
    monkeypatch.setenv("KAFKA_SECURITY_PROTOCOL", "TLS")
    with pytest.raises(ValidationError):
        kafka_client("broker:9093")


async def test_a_follower_waits_for_a_certificate_that_is_away(files: Path) -> None:
    key = files / "client.key"
    away = key.rename(files / "away.key")
    async with broker(files) as (servers, shown):
        running = asyncio.create_task(kafka.follow("t", servers, nothing, asyncio.Event()))
        try:
            await asyncio.sleep(0.1)
            away.rename(key)
            async with asyncio.timeout(30):
                assert await shown.get() == [URI]
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
