"""Certificates at a real Envoy: rotation of the CA, outside authorities, lists that end, odd certificates."""

import asyncio
import socket
import ssl
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from gateway.authorities import authority, internal
from gateway.authorities.anchors import subject_as_envoy_writes_it
from gateway.authorities.authority import Authority
from gateway.authorities.service import Issuer
from gateway.xds import protos
from gateway.xds.compile import compile_resources
from ndx_testing.authorities import make_authority, make_client
from ndx_testing.bus import NO_HANDSHAKE, PERSON, SERVICES, Bus
from ndx_testing.envoy import Provider, free_ports, serving, until

PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
G03 = "urn:ndx:agency:G03:insurance-link"
G01 = "urn:ndx:agency:G01:identity"


def named(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


NEXT = named((NameOID.COMMON_NAME, "agency CA 2"))
ODD = named(
    (NameOID.COUNTRY_NAME, "VN"),
    (NameOID.ORGANIZATION_NAME, 'Tổ chức "chứng thực", số + <1>; a=b \\ #'),
    (NameOID.USER_ID, "MST:0100109106"),
    (NameOID.EMAIL_ADDRESS, "ca@ndx.vn"),
    (NameOID.SERIAL_NUMBER, "77"),
    (NameOID.STATE_OR_PROVINCE_NAME, " Hà Nội "),
    (NameOID.COMMON_NAME, "#CA ngoài"),
)


@dataclass
class Trusted:
    """An authority of a test: for whom it may speak, and what it has revoked."""

    ca: Authority
    may_certify: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    list_days: float = 30
    has_list: bool = True

    def list_pem(self) -> str:
        if not self.has_list:
            return ""
        revoked = [authority.Revoked(s, datetime.now(UTC) - timedelta(hours=1)) for s in self.revoked]
        return authority.list_pem(authority.revocation_list(self.ca, revoked, days=self.list_days))

    def issuer(self) -> Issuer:
        subject = subject_as_envoy_writes_it(self.ca.certificate.subject)
        return Issuer(subject, self.may_certify, self.late)


def trusting(live: Bus, *found: Trusted) -> dict[str, Any]:
    """Return the change of the snapshot that makes exactly these trusted."""
    pem = "".join(authority.certificate_pem(t.ca.certificate).decode() for t in found)
    material = replace(live.base.material, agency_ca=pem, crl="".join(t.list_pem() for t in found))
    return {"material": material, "issuers": tuple(t.issuer() for t in found)}


@pytest.fixture
def ours(live: Bus) -> Trusted:
    return Trusted(live.pki.agency)


def caller(live: Bus, pair: tuple[Path, Path], *, port: int | None = None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(live.pki.folder / "agency-ca.crt"))
    context.load_cert_chain(*pair)
    url = f"https://localhost:{port or live.settings.listener_port}"
    return httpx.AsyncClient(base_url=url, verify=context, timeout=60, trust_env=False)


async def code_of(client: httpx.AsyncClient) -> str:
    answer = await client.get(PERSON, headers=PURPOSE)
    return "200" if answer.status_code == 200 else str(answer.json()["code"])


async def comes_to(client: httpx.AsyncClient, code: str) -> bool:
    """Wait until calls on this connection are answered so: workers follow Envoy's word by a moment."""

    async def now() -> bool:
        return await code_of(client) == code

    return bool(await until(now, seconds=5, what=code))


async def cannot_connect(live: Bus, pair: tuple[Path, Path]) -> bool:
    async with caller(live, pair) as client:
        try:
            await client.get(PERSON, headers=PURPOSE)
        except NO_HANDSHAKE:
            return True
    return False


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


class TestOutsideAuthority:
    @pytest.mark.parametrize("name", [named((NameOID.COMMON_NAME, "Outside")), ODD], ids=["plain", "odd"])
    async def test_its_callers_are_known_by_their_name_within_its_limits(
        self, live: Bus, ours: Trusted, tmp_path: Path, name: x509.Name
    ):
        outside = Trusted(make_authority(name=name), may_certify=("G03", "H79.*"))
        await live.apply(**trusting(live, ours, outside))
        codes = {}
        for uri in (G03, "urn:ndx:agency:H79.001:his", G01, "urn:ndx:operator:NDX:an"):
            pair = make_client(outside.ca, tmp_path, uri.replace(":", "_"), [uri])
            async with caller(live, pair) as client:
                codes[uri] = await code_of(client)
        assert codes == {
            G03: "200",
            "urn:ndx:agency:H79.001:his": "officer-missing",
            G01: "certificate-issuer-refused",
            "urn:ndx:operator:NDX:an": "certificate-issuer-refused",
        }
        async with live.caller(G01) as client:
            assert await code_of(client) == "no-agreement"

    @pytest.mark.parametrize("number", [0x7, 0xABC, 0x80, 0xF << 155])
    async def test_what_it_revokes_is_refused_on_open_and_on_new_connections(
        self, live: Bus, ours: Trusted, tmp_path: Path, number: int
    ):
        outside = Trusted(make_authority(), may_certify=("G03",))
        stolen = make_client(outside.ca, tmp_path, "stolen", [G03], serial=number)
        other = make_client(outside.ca, tmp_path, "other", [G03])
        serial = format(number, "x")
        await live.apply(**trusting(live, ours, outside))
        async with caller(live, stolen) as client:
            assert await code_of(client) == "200"
            await live.apply(**trusting(live, ours, replace(outside, revoked=(serial,), late=(serial,))))
            assert await comes_to(client, "certificate-revoked")
        assert await cannot_connect(live, stolen)
        async with caller(live, other) as client:
            assert await code_of(client) == "200"

    async def test_an_authority_below_it_vouches_for_nobody(self, live: Bus, ours: Trusted, tmp_path: Path):
        outside = Trusted(make_authority(), may_certify=("G03",))
        for name in (named((NameOID.COMMON_NAME, "below")), live.pki.agency.certificate.subject):
            below = make_authority(name=name, above=outside.ca)
            # Even with a list of its own it is too deep.
            crl = authority.list_pem(authority.revocation_list(below, []))
            change = trusting(live, ours, outside)
            change["material"] = replace(change["material"], crl=change["material"].crl + crl)
            await live.apply(**change)
            assert await cannot_connect(live, make_client(below, tmp_path, "deep", [G03], chain=(below,)))
        assert live.provider.received == []

    async def test_without_a_list_its_callers_are_refused_and_others_are_not(
        self, live: Bus, ours: Trusted, tmp_path: Path
    ):
        outside = Trusted(make_authority(), may_certify=("G03",), has_list=False)
        await live.apply(**trusting(live, ours, outside))
        assert await cannot_connect(live, make_client(outside.ca, tmp_path, "c", [G03]))
        async with live.caller(G03) as client:
            assert await code_of(client) == "200"


class TestListThatEnded:
    async def test_new_handshakes_fail_open_connections_go_on_and_a_new_list_heals_it(
        self, live: Bus, ours: Trusted
    ):
        async with live.caller(G03) as client:
            assert await code_of(client) == "200"
            await live.apply(**trusting(live, replace(ours, list_days=-0.01)))
            assert await code_of(client) == "200"
            assert await cannot_connect(live, live.pki.client(G03))
            await live.apply(**trusting(live, ours))
            async with live.caller(G03) as again:
                assert await code_of(again) == "200"

    async def test_the_ended_list_of_one_authority_harms_only_its_own_callers(
        self, live: Bus, ours: Trusted, tmp_path: Path
    ):
        outside = Trusted(make_authority(), may_certify=("G03",), list_days=-0.01)
        await live.apply(**trusting(live, ours, outside))
        assert await cannot_connect(live, make_client(outside.ca, tmp_path, "c", [G03]))
        async with live.caller(G03) as client:
            assert await code_of(client) == "200"


class TestOddCertificates:
    async def test_one_of_tomorrow_is_refused(self, live: Bus, tmp_path: Path):
        pair = make_client(live.pki.agency, tmp_path, "early", [G03], days=(0.01, 30))
        assert await cannot_connect(live, pair)

    async def test_a_name_of_twenty_thousand_characters_is_nobodys(self, live: Bus, tmp_path: Path):
        pair = make_client(live.pki.agency, tmp_path, "long", [G03 + "x" * 20_000])
        async with caller(live, pair) as client:
            assert await code_of(client) == "agency-unknown"
        assert live.provider.received == []

    async def test_a_certificate_without_a_name_of_the_exchange_is_refused(self, live: Bus, tmp_path: Path):
        assert await cannot_connect(live, make_client(live.pki.agency, tmp_path, "none", ["urn:other:x"]))

    @pytest.mark.parametrize("uris", [[G03, G01], [G01, G03]])
    async def test_who_has_two_names_is_nobody(self, live: Bus, tmp_path: Path, uris: list[str]):
        pair = make_client(live.pki.agency, tmp_path, "two", uris)
        async with caller(live, pair) as client:
            assert await code_of(client) == "agency-unknown"

    async def test_the_door_s_own_certificate_is_no_caller_s(self, live: Bus):
        folder = live.pki.folder
        assert await cannot_connect(live, (folder / "gateway-public.crt", folder / "gateway-public.key"))
