"""The embedded certificate authority: keys, certificates and revocation lists, with no database."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.certificates.signing_requests import PublicKey, read_request

CA_DAYS = 3650
SERVER_DAYS = 825
CRL_DAYS = 30
RENEW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA's certificate and private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def write_private(path: Path, data: bytes) -> None:
    """Write a secret that only the owner reads."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)


def key_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint in hex, as Envoy shows it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def open_authority(folder: Path, name: str, words: str) -> Authority:
    """Read `<name>.crt/.key` in the folder, or make a new root.

    Raises:
        FileNotFoundError: one of the two is lost; a new root would make every issued certificate worthless.
    """
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    if cert_file.exists() or key_file.exists():
        loaded = serialization.load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{key_file} is not an EC key")
        return Authority(x509.load_pem_x509_certificate(cert_file.read_bytes()), loaded)
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, words)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=CA_DAYS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(ca=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_private(key_file, key_pem(key))
    cert_file.write_bytes(certificate_pem(certificate))
    return Authority(certificate, key)


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _issue(
    ca: Authority,
    public_key: PublicKey,
    *,
    common_name: str,
    names: Iterable[x509.GeneralName],
    server: bool,
    days: float,
) -> x509.Certificate:
    now = datetime.now(UTC)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
        .issuer_name(ca.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
        .sign(ca.key, hashes.SHA256())
    )


def _is_current(folder: Path, name: str, ca: Authority) -> bool:
    """Tell whether certificate and key are there, come from this CA, and do not end within 30 days."""
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    if not cert_file.exists() or not key_file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    try:
        certificate.verify_directly_issued_by(ca.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)


def issue_server(ca: Authority, folder: Path, name: str, hosts: list[str]) -> None:
    """Make `<name>.crt/.key` for a server unless current ones are there."""
    if _is_current(folder, name, ca):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(h) for h in hosts]
    names.append(x509.IPAddress(IPv4Address("127.0.0.1")))
    certificate = _issue(
        ca, key.public_key(), common_name=hosts[0], names=names, server=True, days=SERVER_DAYS
    )
    write_private(folder / f"{name}.key", key_pem(key))
    (folder / f"{name}.crt").write_bytes(certificate_pem(certificate))


def issue_client(ca: Authority, folder: Path, name: str, uri: str) -> None:
    """Make `<name>.crt/.key` for a client named by a URI unless current ones are there."""
    if _is_current(folder, name, ca):
        return
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issue(
        ca,
        key.public_key(),
        common_name=name,
        names=[x509.UniformResourceIdentifier(uri)],
        server=False,
        days=SERVER_DAYS,
    )
    write_private(folder / f"{name}.key", key_pem(key))
    (folder / f"{name}.crt").write_bytes(certificate_pem(certificate))


def sign(ca: Authority, key: PublicKey, *, uri: str, days: float) -> x509.Certificate:
    """Issue a client certificate for a key; it holds one name, the URI, and nothing from any request."""
    return _issue(
        ca,
        key,
        common_name=uri.removeprefix("urn:ndx:"),
        names=[x509.UniformResourceIdentifier(uri)],
        server=False,
        days=days,
    )


def sign_request(ca: Authority, csr_pem: str, *, uri: str, days: float) -> x509.Certificate:
    """Check a PKCS#10 request and issue a client certificate for its key.

    Raises:
        CsrRefused: the request is not acceptable.
    """
    return sign(ca, read_request(csr_pem, uri=uri).key, uri=uri, days=days)


@dataclass(frozen=True, slots=True)
class Revoked:
    """An entry of a revocation list: serial in hex, and why in the words of RFC 5280."""

    serial: str
    when: datetime
    cause: str = "UNSPECIFIED"


_FLAGS = {
    "KEY_COMPROMISE": x509.ReasonFlags.key_compromise,
    "CA_COMPROMISE": x509.ReasonFlags.ca_compromise,
    "AFFILIATION_CHANGED": x509.ReasonFlags.affiliation_changed,
    "SUPERSEDED": x509.ReasonFlags.superseded,
    "CESSATION_OF_OPERATION": x509.ReasonFlags.cessation_of_operation,
    "PRIVILEGE_WITHDRAWN": x509.ReasonFlags.privilege_withdrawn,
}


def _entry(revoked: Revoked) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(int(revoked.serial, 16), revoked.when)
    # RFC 5280, section 5.3.1: an unspecified reason is left out.
    if revoked.cause in _FLAGS:
        builder = builder.add_extension(x509.CRLReason(_FLAGS[revoked.cause]), critical=False)
    return builder.build()


def revocation_list(
    ca: Authority, revoked: Iterable[Revoked], *, number: int = 1, days: float = CRL_DAYS
) -> bytes:
    """Return the CRL in PEM form; `number` grows from list to list."""
    now = datetime.now(UTC)
    # The builder's own method copies the whole list for each entry.
    builder = x509.CertificateRevocationListBuilder(
        ca.certificate.subject,
        now - timedelta(minutes=5),
        now + timedelta(days=days),
        revoked_certificates=[_entry(r) for r in revoked],
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    return builder.sign(ca.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
