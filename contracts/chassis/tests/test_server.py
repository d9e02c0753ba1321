"""A service's own port: a renewed certificate is shown without a restart."""

import asyncio
import signal
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography import x509
from gateway.authorities import authority
from ndx_chassis.server import _Protocol, _Server
from ndx_testing.envoy import free_ports, until


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


def serial_of(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


async def test_new_connections_see_the_renewed_certificate_and_open_ones_go_on(tmp_path: Path):
    ca = authority.open_authority(tmp_path, "internal-ca", "internal CA")
    authority.issue_server(ca, tmp_path, "service", ["localhost"])
    certificate, key = tmp_path / "service.crt", tmp_path / "service.key"
    port = free_ports(1)[0]
    config = uvicorn.Config(
        answer,
        port=port,
        log_config=None,
        lifespan="off",
        ssl_certfile=certificate,
        ssl_keyfile=str(key),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    context = ssl.create_default_context(cafile=str(tmp_path / "internal-ca.crt"))

    async def shown() -> int:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        pem = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.close()
        return x509.load_der_x509_certificate(pem).serial_number

    try:
        await until(lambda: server.started, what="the server")
        async with httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=context) as client:
            assert (await client.get("/")).status_code == 204
            first = await shown()
            certificate.unlink()
            authority.issue_server(ca, tmp_path, "service", ["localhost"])
            server.take_renewed()
            assert first != await shown() == serial_of(certificate)
            assert (await client.get("/")).status_code == 204
            # Between the two files of a renewal they do not fit: the former pair is shown on.
            fitting = key.read_bytes()
            key.write_bytes((tmp_path / "internal-ca.key").read_bytes())
            certificate.touch()
            server.take_renewed()
            assert await shown() == serial_of(certificate)
            key.write_bytes(fitting)
            # A file may be away for a moment while another takes its place.
            away = certificate.rename(tmp_path / "away.crt")
            server.take_renewed()
            assert await shown() == serial_of(away)
    finally:
        server.should_exit = True
        await task


def speak(port: int, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Any:
    """Return whether one is answered, and the TLS session, to be resumed later."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname="localhost", session=session) as tls,
    ):
        try:
            tls.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            return tls.recv(100).startswith(b"HTTP/1.1 204"), tls.session
        except (ssl.SSLError, ConnectionError):
            return False, None


async def test_whom_it_trusts_grows_and_shrinks_without_a_restart(tmp_path: Path):
    cas = [authority.open_authority(tmp_path, f"ca-{n}", f"CA {n}") for n in (1, 2)]
    anchors, port = tmp_path / "anchors.crt", free_ports(1)[0]
    authority.issue_server(cas[0], tmp_path, "service", ["localhost"])
    contexts = []
    for number, ca in enumerate(cas):
        authority.issue_client(ca, tmp_path, f"caller-{number}", "urn:ndx:internal:caller")
        context = ssl.create_default_context(cafile=str(tmp_path / "ca-1.crt"))
        context.load_cert_chain(tmp_path / f"caller-{number}.crt", tmp_path / f"caller-{number}.key")
        contexts.append(context)
    both = [(tmp_path / f"ca-{n}.crt").read_bytes() for n in (1, 2)]
    anchors.write_bytes(both[0])
    config = uvicorn.Config(
        answer,
        port=port,
        log_config=None,
        lifespan="off",
        ssl_certfile=tmp_path / "service.crt",
        ssl_keyfile=str(tmp_path / "service.key"),
        ssl_ca_certs=str(anchors),
        ssl_cert_reqs=ssl.CERT_REQUIRED,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())

    async def let_in() -> list[bool]:
        found = []
        for context in contexts:
            async with httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=context) as client:
                try:
                    found.append((await client.get("/")).status_code == 204)
                except httpx.TransportError:
                    found.append(False)
        return found

    try:
        await until(lambda: server.started, what="the server")
        server.take_renewed()
        assert await let_in() == [True, False]
        answered, session = await asyncio.to_thread(speak, port, contexts[0])
        assert answered
        async with httpx.AsyncClient(base_url=f"https://localhost:{port}", verify=contexts[0]) as open_one:
            assert (await open_one.get("/")).status_code == 204
            for trusted, expected in ((b"".join(both), [True, True]), (both[1], [False, True])):
                anchors.write_bytes(trusted)
                server.take_renewed()
                assert await let_in() == expected
                # Nor does a connection of before vouch for a new one.
                answered, _ = await asyncio.to_thread(speak, port, contexts[0], session)
                assert answered is expected[0]
            assert (await open_one.get("/")).status_code == 204
    finally:
        server.should_exit = True
        await task


def test_without_tls_there_is_nothing_to_renew():
    _Server(uvicorn.Config(answer, log_config=None)).take_renewed()


async def test_told_to_stop_it_says_so_and_serves_on_until_told_again():
    port = free_ports(1)[0]
    server = _Server(uvicorn.Config(answer, port=port, log_config=None, lifespan="off"))
    said: list[str] = []
    server.drain_seconds, server.on_leaving = 300, lambda: said.append("leaving")
    # Without uvicorn's own handling, which would pass the signal on to the tests at the end.
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started, what="the server")
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert "connection" not in (await client.get("/")).headers
        server.handle_exit(signal.SIGTERM, None)
        assert said == ["leaving"]
        for _ in range(2):
            got = await client.get("/")
            # Its connections end with their replies: at the end none is cut that somebody would use.
            assert (got.status_code, got.headers["connection"]) == (204, "close")
            await asyncio.sleep(1.2)  # a few of uvicorn's ticks, which make the headers anew
    server.handle_exit(signal.SIGTERM, None)
    await task


async def test_it_ends_by_itself_after_the_time():
    server = _Server(uvicorn.Config(answer, port=free_ports(1)[0], log_config=None, lifespan="off"))
    server.drain_seconds = 0.2
    task = asyncio.create_task(server._serve())
    await until(lambda: server.started, what="the server")
    server.handle_exit(signal.SIGTERM, None)
    async with asyncio.timeout(20):
        await task


async def hundred_pieces(scope: Any, receive: Any, send: Any) -> None:
    """Answer with 100 MB, or with one piece; tell in the scope's state how many were taken."""
    if scope["path"] == "/short":
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"body"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
    for number in range(100):
        TAKEN.append(number)
        await send({"type": "http.response.body", "body": b"x" * 1_000_000, "more_body": True})
    await send({"type": "http.response.body", "body": b"the end"})


TAKEN: list[int] = []


async def test_a_short_reply_is_one_piece_and_a_long_one_waits_for_its_reader(tmp_path: Path):
    TAKEN.clear()
    ca = authority.open_authority(tmp_path, "internal-ca", "internal CA")
    authority.issue_server(ca, tmp_path, "service", ["localhost"])
    port = free_ports(1)[0]
    config = uvicorn.Config(
        hundred_pieces,
        port=port,
        log_config=None,
        lifespan="off",
        http=_Protocol,
        ssl_certfile=tmp_path / "service.crt",
        ssl_keyfile=str(tmp_path / "service.key"),
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())
    context = ssl.create_default_context(cafile=str(tmp_path / "internal-ca.crt"))

    def ask(path: str, read: Any) -> Any:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=30) as raw,
            context.wrap_socket(raw, server_hostname="localhost") as tls,
        ):
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return read(tls)

    def slowly(tls: ssl.SSLSocket) -> tuple[int, int, bytes]:
        first = len(tls.recv(1000))
        taken = -1
        while taken != len(TAKEN):  # until the sender waits
            taken = len(TAKEN)
            time.sleep(0.3)
        end = b""
        while piece := tls.recv(1_000_000):
            first += len(piece)
            end = (end + piece)[-20:]
        return taken, first, end

    try:
        await until(lambda: server.started, what="the server")
        # What one look at a TLS connection gives is one record: head and body came together.
        reply = await asyncio.to_thread(ask, "/short", lambda tls: tls.recv(10_000))
        assert reply.startswith(b"HTTP/1.1 200")
        assert reply.endswith(b"\r\n\r\nbody")
        taken, length, end = await asyncio.to_thread(ask, "/long", slowly)
        assert taken < 90
        assert length > 100_000_000
        assert end.endswith(b"the end\r\n0\r\n\r\n")
    finally:
        server.should_exit = True
        await task
