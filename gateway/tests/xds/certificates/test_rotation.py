"""The CA of callers, the door's certificate and the internal CA change under a running Envoy."""

import asyncio
import socket
import ssl
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.x509.oid import NameOID
from gateway.authorities import authority, internal
from gateway.authorities.authority import Authority
from gateway.xds import protos
from gateway.xds.compile import compile_resources
from ndx_testing.authorities import make_authority, make_client
from ndx_testing.bus import SERVICES, Bus
from ndx_testing.envoy import Provider, free_ports, serving, until

from .conftest import G03, Trusted, caller, cannot_connect, code_of, comes_to, named, trusting

NEXT = named((NameOID.COMMON_NAME, "agency CA 2"))


class TestRotation:
    async def test_old_and_new_work_during_it_and_the_old_not_after(
        self, live: Bus, ours: Trusted, tmp_path: Path
    ):
        new = Trusted(make_authority(name=NEXT))
        old_pair = live.pki.client(G03)
        new_pair = make_client(new.ca, tmp_path, "new", [G03])
        assert await cannot_connect(live, new_pair)
        async with caller(live, old_pair) as before:
            assert await code_of(before) == "200"
            await live.apply(**trusting(live, ours, new))
            async with caller(live, new_pair) as fresh, caller(live, old_pair) as again:
                assert [await code_of(c) for c in (before, fresh, again)] == ["200"] * 3
                await live.apply(**trusting(live, new))
                assert await code_of(fresh) == "200"
                # Its open connections are told so; it gets no new ones.
                assert await comes_to(before, "certificate-issuer-refused")
        live.provider.received.clear()
        assert await cannot_connect(live, old_pair)
        assert live.provider.received == []

    async def test_the_filters_alone_end_a_retired_authority_on_open_connections(
        self, live: Bus, ours: Trusted
    ):
        new = Trusted(make_authority(name=NEXT))
        await live.apply(**trusting(live, ours, new))
        async with live.caller(G03) as client:
            assert await code_of(client) == "200"
            live.snapshot = replace(live.snapshot, issuers=(new.issuer(),))
            filters = compile_resources(live.snapshot)[protos.ECDS]
            live.server.publish({protos.ECDS: filters})
            await live.server.wait_settled()
            assert await comes_to(client, "certificate-issuer-refused")


class TestDoorCertificate:
    async def test_a_new_one_is_shown_to_new_connections_and_closes_no_old_one(
        self, live: Bus, tmp_path: Path
    ):
        authority.issue_server(live.pki.agency, tmp_path, "door", ["localhost"])
        assert live.envoy is not None
        async with live.caller(G03) as client:
            assert await code_of(client) == "200"
            before = await live.envoy.stats("http.agencies.downstream_cx_total")
            await live.apply(
                material=replace(
                    live.snapshot.material,
                    public_cert=(tmp_path / "door.crt").read_text(),
                    public_key=(tmp_path / "door.key").read_text(),
                )
            )
            assert await code_of(client) == "200"
            assert await live.envoy.stats("http.agencies.downstream_cx_total") == before
        context = ssl.create_default_context(cafile=str(live.pki.folder / "agency-ca.crt"))
        shown = await asyncio.to_thread(_shown, context, "localhost", live.settings.citizen_port)
        assert shown == serial_of(tmp_path / "door.crt")


def serial_of(file: Path) -> int:
    return x509.load_pem_x509_certificate(file.read_bytes()).serial_number


def _shown(context: ssl.SSLContext, name: str, port: int) -> int:
    """Return the serial of the certificate that a server shows."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=60) as raw,
        context.wrap_socket(raw, server_hostname=name) as tls,
    ):
        return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"").serial_number


def _is_let_in(folder: Path, saved: dict[Path, bytes], port: int) -> bool:
    """Tell whether the control plane speaks to Envoy's former certificate; TLS 1.3 refuses after its part."""
    for end in ("crt", "key"):
        (folder / f"former.{end}").write_bytes(saved[folder / f"xds-client.{end}"])
    context = ssl.create_default_context(cafile=str(folder / "internal-ca.crt"))
    context.load_cert_chain(folder / "former.crt", folder / "former.key")
    context.set_alpn_protocols(["h2"])
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=60) as raw,
            context.wrap_socket(raw, server_hostname="xds.ndx.internal") as tls,
        ):
            return bool(tls.recv(1))
    except (ssl.SSLError, ConnectionError):
        return False


def _put_back(live: Bus, saved: dict[Path, bytes]) -> None:
    """Make the folder what it was, for the provider as well: it may have looked in the middle by itself."""
    for file, data in saved.items():
        authority.write_whole(file, data)
    for left in ("internal-ca-2.crt", "internal-ca-2.key", "former.crt", "former.key"):
        (live.pki.folder / left).unlink(missing_ok=True)
    live.provider_server.take_renewed()


class TestCertificatesBetweenEnvoyAndControlPlane:
    """Both ends read renewed files without a restart; the stream that is open goes on."""

    async def test_envoy_s_own(self, live: Bus):
        assert live.envoy is not None
        folder, admin = live.pki.folder, live.envoy.admin
        (folder / "xds-client.crt").unlink()
        authority.issue_client(live.pki.internal, folder, "xds-client", "urn:ndx:internal:envoy")
        serial = format(serial_of(folder / "xds-client.crt"), "x")

        async def known() -> bool:
            async with httpx.AsyncClient() as client:
                return serial in (await client.get(f"{admin}/certs")).text

        await until(known, what="the new certificate in Envoy")
        assert live.server.envoys
        await live.apply(today=live.snapshot.today)

    async def test_the_control_plane_s(self, live: Bus):
        folder = live.pki.folder
        context = ssl.create_default_context(cafile=str(folder / "internal-ca.crt"))
        context.load_cert_chain(folder / "xds-client.crt", folder / "xds-client.key")
        context.set_alpn_protocols(["h2"])
        port = live.settings.xds_port
        before = await asyncio.to_thread(_shown, context, "xds.ndx.internal", port)
        (folder / "xds-server.crt").unlink()
        authority.issue_server(live.pki.internal, folder, "xds-server", ["xds.ndx.internal"])
        after = await asyncio.to_thread(_shown, context, "xds.ndx.internal", port)
        assert before != after == serial_of(folder / "xds-server.crt")
        assert live.server.envoys


class TestInternalAuthority:
    """Each step with new connections on all sides: one per call to the service, one to the control plane."""

    async def test_it_is_rotated_without_a_failed_call(self, live: Bus):
        folder, (port,) = live.pki.folder, free_ports(1)
        saved = {file: file.read_bytes() for file in folder.iterdir() if file.suffix in {".crt", ".key"}}
        codes: Counter[str] = Counter()
        ended = asyncio.Event()

        async def calling() -> None:
            async with caller(live, live.pki.client(G03)) as client:
                while not ended.is_set():
                    codes[await code_of(client)] += 1
                    await asyncio.sleep(0.01)

        async def read_files(server: Any) -> None:
            """Do what everybody does by itself when the files have changed, and connect anew."""
            server.take_renewed()
            live.provider_server.take_renewed()
            await live.apply(material=live.pki.material([]))
            before = codes["200"]
            await live.stop_control_plane()
            await live.start_control_plane()
            await until(lambda: live.server.envoys, what="Envoy at the control plane")
            await live.server.wait_settled()
            await until(lambda: codes["200"] > before + 5, what="calls")

        def sign_all(ca: Authority) -> None:
            authority.issue_server(ca, folder, "provider", [f"{s}.ndx.internal" for s in SERVICES])
            authority.issue_server(ca, folder, "xds-server", ["xds.ndx.internal"])
            authority.issue_client(ca, folder, "xds-client", "urn:ndx:internal:envoy")
            authority.issue_client(ca, folder, "gateway-client", "urn:ndx:internal:gateway")

        pair = {"cert": folder / "provider.crt", "key": folder / "provider.key"}
        async with serving(Provider(), port, client_ca=folder / "internal-ca.crt", **pair) as server:
            server.take_renewed()
            server.server_state.default_headers.append((b"connection", b"close"))
            upstreams = dict.fromkeys(live.base.doors.upstreams, f"127.0.0.1:{port}")
            await live.apply(doors=replace(live.base.doors, upstreams=upstreams))
            task = asyncio.create_task(calling())
            try:
                new = internal.begin(folder, None)
                await read_files(server)
                sign_all(new.authority)
                await read_files(server)
                assert internal.retire_former(folder, None) == ["internal-ca"]
                await read_files(server)
                assert not await asyncio.to_thread(_is_let_in, folder, saved, live.settings.xds_port)
            finally:
                ended.set()
                await task
                _put_back(live, saved)
        assert set(codes) == {"200"}
        await live.apply(material=live.base.material, doors=live.base.doors)
        async with caller(live, live.pki.client(G03)) as client:
            assert await code_of(client) == "200"
