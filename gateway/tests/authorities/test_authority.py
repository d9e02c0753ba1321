"""The embedded authority: what it signs, and what it refuses to sign."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from gateway.authorities import authority

from gateway import bootstrap

URI = "urn:ndx:agency:H79.001:his"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> authority.Authority:
    return authority.open_authority(tmp_path_factory.mktemp("ca"), "agency-ca", "test CA")


def request(key: Key, *, san: str | None = None) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything at all")])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if san is not None:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(san)])
        builder = builder.add_extension(names, critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM).decode()


class TestSignRequest:
    @pytest.mark.parametrize(
        "key",
        [
            ec.generate_private_key(ec.SECP256R1()),
            ec.generate_private_key(ec.SECP384R1()),
            rsa.generate_private_key(65537, 2048),
        ],
        ids=["P-256", "P-384", "RSA-2048"],
    )
    def test_accepted_keys(self, ca: authority.Authority, key: Key):
        made = authority.sign_request(ca, request(key), uri=URI, days=365)
        made.verify_directly_issued_by(ca.certificate)
        usage = made.extensions.get_extension_for_class(x509.KeyUsage).value
        assert usage.digital_signature
        assert not usage.key_cert_sign
        purposes = made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert list(purposes) == [ExtendedKeyUsageOID.CLIENT_AUTH]

    @pytest.mark.parametrize("san", [None, URI])
    def test_the_certificate_holds_the_one_name_that_it_should(
        self, ca: authority.Authority, san: str | None
    ):
        asked = request(ec.generate_private_key(ec.SECP256R1()), san=san)
        made = authority.sign_request(ca, asked, uri=URI, days=365)
        names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert [n.value for n in names] == [URI]


class TestRevocationList:
    def test_it_holds_the_serials_and_is_signed(self, ca: authority.Authority):
        when = datetime.now(UTC) - timedelta(hours=1)
        entries = [authority.Revoked("1f", when), authority.Revoked("20", when, "KEY_COMPROMISE")]
        crl = authority.revocation_list(ca, entries, number=7)
        assert [entry.serial_number for entry in crl] == [0x1F, 0x20]
        assert len(crl[0].extensions) == 0
        cause = crl[1].extensions.get_extension_for_class(x509.CRLReason).value.reason
        assert cause is x509.ReasonFlags.key_compromise
        assert crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == 7
        key = ca.certificate.public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        assert crl.is_signature_valid(key)


class TestBootstrapFiles:
    def test_a_second_run_changes_nothing(self, tmp_path: Path):
        bootstrap.make_files(tmp_path)
        before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
        bootstrap.make_files(tmp_path)
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before

    def test_keys_are_for_the_owner_alone(self, tmp_path: Path):
        bootstrap.make_files(tmp_path)
        secrets = [*tmp_path.rglob("*.key"), *tmp_path.rglob("*.pem")]
        assert len(secrets) > 20
        assert {p.stat().st_mode & 0o077 for p in secrets} == {0}

    def test_a_lost_root_key_is_not_replaced_in_silence(self, tmp_path: Path):
        bootstrap.make_files(tmp_path)
        (tmp_path / "agency-ca.key").unlink()
        with pytest.raises(FileNotFoundError):
            bootstrap.make_files(tmp_path)

    def test_servers_and_clients_are_told_apart(self, tmp_path: Path):
        bootstrap.make_files(tmp_path)

        def purposes(name: str) -> list[x509.ObjectIdentifier]:
            made = x509.load_pem_x509_certificate((tmp_path / name).read_bytes())
            return list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)

        assert purposes("services/population.crt") == [ExtendedKeyUsageOID.SERVER_AUTH]
        assert purposes("gateway-client.crt") == [ExtendedKeyUsageOID.CLIENT_AUTH]
