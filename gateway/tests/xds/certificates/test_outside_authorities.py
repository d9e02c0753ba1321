"""Outside authorities, lists that end and odd certificates at a real Envoy."""

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from gateway.authorities import authority
from ndx_testing.authorities import make_authority, make_client
from ndx_testing.bus import Bus

from .conftest import G03, Trusted, caller, cannot_connect, code_of, comes_to, named, trusting

G01 = "urn:ndx:agency:G01:identity"
ODD = named(
    (NameOID.COUNTRY_NAME, "VN"),
    (NameOID.ORGANIZATION_NAME, 'Tổ chức "chứng thực", số + <1>; a=b \\ #'),
    (NameOID.USER_ID, "MST:0100109106"),
    (NameOID.EMAIL_ADDRESS, "ca@ndx.vn"),
    (NameOID.SERIAL_NUMBER, "77"),
    (NameOID.STATE_OR_PROVINCE_NAME, " Hà Nội "),
    (NameOID.COMMON_NAME, "#CA ngoài"),
)


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
