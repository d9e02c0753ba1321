"""The embedded certificate authority: keys, certificates and revocation lists, with no database."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.authorities.signing_requests import PublicKey, read_request

CA_DAYS = 3650
SERVER_DAYS = 825
CRL_DAYS = 30
RENEW_DAYS = 30
_ENCRYPTED = b"ENCRYPTED PRIVATE KEY"


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA's certificate and private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


def write_whole(path: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write a file whole or not at all: nobody ever reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def write_private(path: Path, data: bytes) -> None:
    """Write a secret that only the owner reads."""
    write_whole(path, data, mode=0o600)


def key_pem(
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, passphrase: bytes | None = None
) -> bytes:
    """Return a private key in PKCS#8 form, encrypted if there is a passphrase."""
    how: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if passphrase is not None:
        how = serialization.BestAvailableEncryption(passphrase)
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)


def certificate_pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 fingerprint in hex, as Envoy shows it."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def read_passphrase(file: Path | None) -> bytes | None:
    """Return the passphrase of the authorities' keys, or None when they lie unencrypted."""
    return None if file is None else file.read_bytes().strip()


def _read_key(file: Path, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
    data = file.read_bytes()
    encrypted = _ENCRYPTED in data
    key = serialization.load_pem_private_key(data, passphrase if encrypted else None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise TypeError(f"{file} is not an EC key")
    if passphrase is not None and not encrypted:
        # A passphrase was set after the key was made: from now on it does not lie open.
        write_private(file, key_pem(key, passphrase))
    return key


def open_authority(folder: Path, name: str, words: str, passphrase: bytes | None = None) -> Authority:
    """Read `<name>.crt/.key` in the folder, or make a new root.

    Raises:
        FileNotFoundError: one of the two is lost; a new root would make every issued certificate worthless.
        ValueError, TypeError: the passphrase is wrong or missing.
    """
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    if cert_file.exists() or key_file.exists():
        key = _read_key(key_file, passphrase)
        return Authority(x509.load_pem_x509_certificate(cert_file.read_bytes()), key)
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
    write_private(key_file, key_pem(key, passphrase))
    write_whole(cert_file, certificate_pem(certificate))
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
    list_url: str | None = None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])]))
        .issuer_name(ca.certificate.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        # Nothing outlives its authority.
        .not_valid_after(min(now + timedelta(days=days), ca.certificate.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(list(names)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key()), critical=False
        )
    )
    if list_url is not None:
        point = x509.DistributionPoint([x509.UniformResourceIdentifier(list_url)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether this authority signed the certificate itself."""
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _is_current(folder: Path, name: str, issuers: Iterable[Authority]) -> bool:
    """Tell whether certificate and key are there, come from a CA of these, and do not end within 30 days."""
    cert_file, key_file = folder / f"{name}.crt", folder / f"{name}.key"
    if not cert_file.exists() or not key_file.exists():
        return False
    certificate = x509.load_pem_x509_certificate(cert_file.read_bytes())
    if not any(is_issued_by(certificate, issuer.certificate) for issuer in issuers):
        return False
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)


def _hosts_of(file: Path) -> set[str]:
    certificate = x509.load_pem_x509_certificate(file.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names.get_values_for_type(x509.DNSName))


def fits(certificate: bytes, key_file: Path) -> bool:
    """Tell whether a certificate and the key in a file belong together: not while both are being replaced."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        return x509.load_pem_x509_certificate(certificate).public_key() == key.public_key()
    except (OSError, ValueError, TypeError):
        return False


def _write_pair(
    folder: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate
) -> None:
    write_private(folder / f"{name}.key", key_pem(key))
    write_whole(folder / f"{name}.crt", certificate_pem(certificate))


def issue_server(ca: Authority, folder: Path, name: str, hosts: list[str]) -> bool:
    """Make `<name>.crt/.key` for a server unless current ones with these names are there; tell if it did."""
    if _is_current(folder, name, [ca]) and _hosts_of(folder / f"{name}.crt") >= set(hosts):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    names: list[x509.GeneralName] = [x509.DNSName(h) for h in hosts]
    names.append(x509.IPAddress(IPv4Address("127.0.0.1")))
    certificate = _issue(
        ca, key.public_key(), common_name=hosts[0], names=names, server=True, days=SERVER_DAYS
    )
    _write_pair(folder, name, key, certificate)
    return True


def issue_client(ca: Authority, folder: Path, name: str, uri: str, *, also: Sequence[Authority] = ()) -> bool:
    """Make `<name>.crt/.key` for a client named by a URI unless current ones, of `also` too, are there."""
    if _is_current(folder, name, [ca, *also]):
        return False
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _issue(
        ca,
        key.public_key(),
        common_name=name,
        names=[x509.UniformResourceIdentifier(uri)],
        server=False,
        days=SERVER_DAYS,
    )
    _write_pair(folder, name, key, certificate)
    return True


def sign(
    ca: Authority, key: PublicKey, *, uri: str, days: float, list_url: str | None = None
) -> x509.Certificate:
    """Issue a client certificate for a key; it holds one name, the URI, and nothing from any request."""
    return _issue(
        ca,
        key,
        common_name=uri.removeprefix("urn:ndx:"),
        names=[x509.UniformResourceIdentifier(uri)],
        server=False,
        days=days,
        list_url=list_url,
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
) -> x509.CertificateRevocationList:
    """Return a CRL; `number` grows from list to list."""
    now = datetime.now(UTC)
    # The builder's own method copies the whole list for each entry.
    builder = x509.CertificateRevocationListBuilder(
        ca.certificate.subject,
        min(now, now + timedelta(days=days)) - timedelta(minutes=5),
        now + timedelta(days=days),
        revoked_certificates=[_entry(r) for r in revoked],
    )
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca.key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    return builder.sign(ca.key, hashes.SHA256())


def serials_of(list_pem: str) -> set[str]:
    """Return the serials in a revocation list, in hexadecimal."""
    return {format(entry.serial_number, "x") for entry in x509.load_pem_x509_crl(list_pem.encode())}


def list_pem(crl: x509.CertificateRevocationList) -> str:
    return crl.public_bytes(serialization.Encoding.PEM).decode()
