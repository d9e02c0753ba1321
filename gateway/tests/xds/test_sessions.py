"""TLS sessions at the configuration port: who was let in once is judged anew."""

import asyncio
import socket
import ssl
from pathlib import Path

import pytest
from gateway.authorities import authority
from gateway.xds.server import ENVOY_URI, ConfigServer, serve
from ndx_testing.envoy import free_ports

pytestmark = pytest.mark.integration


def let_in(
    port: int, context: ssl.SSLContext, session: ssl.SSLSession | None
) -> tuple[bool, bool, ssl.SSLSession | None]:
    """Return whether the server speaks HTTP/2 with us, whether it took the session, and the next one."""
    resumed = False
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=20) as raw,
            context.wrap_socket(raw, server_hostname="xds.ndx.internal", session=session) as tls,
        ):
            resumed = bool(tls.session_reused)
            tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00")
            return bool(tls.recv(100)), resumed, tls.session
    except (ssl.SSLError, ConnectionError):
        return False, resumed, None


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_of_a_retired_authority_is_not_resumed(
    tmp_path: Path, version: ssl.TLSVersion
) -> None:
    cas = [authority.open_authority(tmp_path, f"ca-{n}", f"CA {n}") for n in (1, 2)]
    authority.issue_server(cas[1], tmp_path, "xds-server", ["xds.ndx.internal"])
    contexts = []
    for number, ca in enumerate(cas):
        authority.issue_client(ca, tmp_path, f"envoy-{number}", ENVOY_URI)
        context = ssl.create_default_context(cafile=str(tmp_path / "ca-2.crt"))
        context.load_cert_chain(tmp_path / f"envoy-{number}.crt", tmp_path / f"envoy-{number}.key")
        context.set_alpn_protocols(["h2"])
        context.minimum_version = context.maximum_version = version
        contexts.append(context)
    anchors = [(tmp_path / f"ca-{n}.crt").read_bytes() for n in (1, 2)]
    (tmp_path / "internal-ca.crt").write_bytes(b"".join(anchors))
    port = free_ports(1)[0]
    server = await serve(ConfigServer(), address=f"127.0.0.1:{port}", folder=tmp_path)
    try:
        first = [await asyncio.to_thread(let_in, port, context, None) for context in contexts]
        assert [taken for taken, _, _ in first] == [True, True]
        resumed = await asyncio.to_thread(let_in, port, contexts[0], first[0][2])
        assert resumed[:2] == (True, True), "while it is trusted nobody need shake hands anew"
        authority.write_whole(tmp_path / "internal-ca.crt", anchors[1])
        again = [
            await asyncio.to_thread(let_in, port, context, session)
            for context, (_, _, session) in zip(contexts, first, strict=True)
        ]
        assert [taken for taken, _, _ in again] == [False, True]
    finally:
        await server.stop(grace=0)
