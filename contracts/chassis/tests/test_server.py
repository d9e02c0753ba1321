"""A service's own port: a renewed certificate is shown without a restart."""

import asyncio
import signal
import ssl
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from cryptography import x509
from gateway.certificates import authority
from ndx_chassis.server import _Server
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
