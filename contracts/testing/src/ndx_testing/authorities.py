"""Certificate authorities for tests, good and bad ones, and what they sign."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from gateway.authorities import authority

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Outside CA")])


def usage(**wanted: bool) -> x509.KeyUsage:
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement"
        " key_cert_sign crl_sign encipher_only decipher_only"
    )
    return x509.KeyUsage(**(dict.fromkeys(every.split(), False) | wanted))


CA_EXTENSIONS: tuple[x509.ExtensionType, ...] = (
    x509.BasicConstraints(ca=True, path_length=None),
    usage(key_cert_sign=True, crl_sign=True),
)


def make_authority(
    key: Any = None,
    *,
    name: x509.Name = NAME,
    days: tuple[float, float] = (-1, 100),
    extensions: tuple[x509.ExtensionType, ...] = CA_EXTENSIONS,
    above: authority.Authority | None = None,
) -> authority.Authority:
    """Return a CA, its own root unless there is one above it."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(above.certificate.subject if above else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=True)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return authority.Authority(builder.sign(above.key if above else key, digest), key)


def make_client(
    ca: authority.Authority,
    folder: Path,
    stem: str,
    uris: list[str],
    *,
    days: tuple[float, float] = (-1, 30),
    chain: tuple[authority.Authority, ...] = (),
    serial: int | None = None,
) -> tuple[Path, Path]:
    """Write a client's certificate, with the authorities between it and the anchor, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, stem[:60])]))
        .issuer_name(ca.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(
            x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in uris]), critical=False
        )
        .add_extension(usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(ca.key, hashes.SHA256())
    )
    certificate, key_file = folder / f"{stem}.crt", folder / f"{stem}.key"
    certificate.write_bytes(
        b"".join(authority.certificate_pem(c) for c in (made, *(above.certificate for above in chain)))
    )
    key_file.write_bytes(authority.key_pem(key))
    return certificate, key_file
