"""What is accepted from outside authorities."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.x509.oid import NameOID
from gateway.authorities import anchors, authority
from gateway.authorities.errors import AnchorRefused, RevocationListRefused
from ndx_testing.authorities import NAME, make_authority, usage

IS_CA = x509.BasicConstraints(ca=True, path_length=0)


def pem_of(found: authority.Authority) -> str:
    return authority.certificate_pem(found.certificate).decode()


class TestAnchor:
    def test_a_ca_is_accepted(self):
        made = make_authority()
        assert anchors.read_anchor(pem_of(made)) == made.certificate

    @pytest.mark.parametrize(
        "made",
        [
            lambda: make_authority(extensions=(x509.BasicConstraints(ca=False, path_length=None), usage())),
            lambda: make_authority(extensions=(usage(key_cert_sign=True, crl_sign=True),)),
            lambda: make_authority(
                extensions=(x509.BasicConstraints(ca=True, path_length=0), usage(crl_sign=True))
            ),
            lambda: make_authority(
                extensions=(x509.BasicConstraints(ca=True, path_length=0), usage(key_cert_sign=True))
            ),
            lambda: make_authority(days=(-10, -1)),
            lambda: make_authority(days=(1, 10)),
            lambda: make_authority(rsa.generate_private_key(65537, 1024)),  # noqa: S505 - weak on purpose
            lambda: make_authority(ed25519.Ed25519PrivateKey.generate()),
        ],
        ids=[
            "no CA",
            "no constraints",
            "signs no certificates",
            "signs no lists",
            "over",
            "early",
            "weak",
            "odd",
        ],
    )
    def test_anything_else_is_refused(self, made: Any):
        with pytest.raises(AnchorRefused):
            anchors.read_anchor(pem_of(made()))

    def test_one_certificate_at_a_time(self):
        with pytest.raises(AnchorRefused, match="one certificate"):
            anchors.read_anchor(pem_of(make_authority()) * 2)

    @pytest.mark.parametrize("pem", ["", "x" * 200])
    def test_no_certificate_at_all(self, pem: str):
        with pytest.raises(AnchorRefused):
            anchors.read_anchor(pem)

    def test_a_subject_that_could_be_written_in_two_ways_is_refused(self):
        odd = x509.Name([x509.NameAttribute(NameOID.PSEUDONYM, "x")])
        pair = x509.Name(
            [
                x509.RelativeDistinguishedName(
                    [x509.NameAttribute(NameOID.COMMON_NAME, "a"), x509.NameAttribute(NameOID.USER_ID, "b")]
                )
            ]
        )
        for name in (odd, pair):
            with pytest.raises(AnchorRefused):
                anchors.subject_as_envoy_writes_it(name)


class TestList:
    def test_a_current_list_of_the_anchor_is_accepted(self):
        made = make_authority()
        crl = authority.revocation_list(made, [authority.Revoked("1f", datetime.now(UTC))], number=3)
        found = anchors.read_list(authority.list_pem(crl), made.certificate)
        assert anchors.number_of(found) == 3

    def test_one_that_is_out_of_date_is_refused(self):
        made = make_authority()
        old = authority.revocation_list(made, [], days=-1)
        with pytest.raises(RevocationListRefused, match="not current"):
            anchors.read_list(authority.list_pem(old), made.certificate)

    def test_one_of_an_authority_whose_clock_is_ahead_waits_for_its_time(
        self, monkeypatch: pytest.MonkeyPatch
    ):
        made, now = make_authority(), datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(
            made.certificate.subject, now + timedelta(seconds=20), now + timedelta(days=1)
        ).add_extension(x509.CRLNumber(4), critical=False)
        pem = authority.list_pem(builder.sign(made.key, hashes.SHA256()))
        # Given to Envoy now, it would end every handshake under this authority until its time has come.
        with pytest.raises(RevocationListRefused, match="not current"):
            anchors.read_list(pem, made.certificate)
        later = now + timedelta(seconds=21)
        monkeypatch.setattr(anchors, "datetime", SimpleNamespace(now=lambda _zone: later))
        assert anchors.number_of(anchors.read_list(pem, made.certificate)) == 4

    def test_the_exchange_s_own_holds_where_a_clock_is_minutes_behind(self, monkeypatch: pytest.MonkeyPatch):
        made = make_authority()
        pem = authority.list_pem(authority.revocation_list(made, []))
        behind = datetime.now(UTC) - timedelta(minutes=4)
        monkeypatch.setattr(anchors, "datetime", SimpleNamespace(now=lambda _zone: behind))
        assert anchors.number_of(anchors.read_list(pem, made.certificate)) == 1

    def test_one_signed_by_another_of_the_same_name_is_refused(self):
        made, other = make_authority(), make_authority()
        crl = authority.revocation_list(other, [])
        with pytest.raises(RevocationListRefused, match="authority's"):
            anchors.read_list(authority.list_pem(crl), made.certificate)

    def test_a_delta_is_refused(self):
        made = make_authority()
        now = datetime.now(UTC)
        delta = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(NAME)
            .last_update(now - timedelta(minutes=1))
            .next_update(now + timedelta(days=1))
            .add_extension(x509.DeltaCRLIndicator(1), critical=True)
            .sign(made.key, hashes.SHA256())
        )
        pem = delta.public_bytes(serialization.Encoding.PEM).decode()
        with pytest.raises(RevocationListRefused, match="complete"):
            anchors.read_list(pem, made.certificate)

    def test_no_list_at_all(self):
        with pytest.raises(RevocationListRefused):
            anchors.read_list("x" * 200, make_authority().certificate)
