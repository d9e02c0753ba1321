"""Keys and certificate requests of an agency's system, made where they are used."""

import os
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """Read an unencrypted EC key.

    Raises:
        ValueError: something else is in the file.
    """
    key = serialization.load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError(f"{path} does not hold an elliptic key.")  # noqa: TRY004 - wrong content of a file
    return key


def request_pem(key: ec.EllipticCurvePrivateKey, label: str, uri: str | None = None) -> str:
    """Return a PKCS#10 request; with `uri` it is refused unless it is for that very system."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, label[:64])])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if uri is not None:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _write(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def write_secret(path: Path, data: bytes) -> None:
    """Write a file that only its owner reads, whole or not at all."""
    _write(path, data, 0o600)


def write_public(path: Path, text: str) -> None:
    """Write a certificate, whole or not at all."""
    _write(path, text.encode(), 0o644)


def describe(path: Path) -> tuple[str, datetime, str]:
    """Return the name (URI SAN), last moment and serial number of a certificate file."""
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    return (uris[0] if uris else "-"), certificate.not_valid_after_utc, format(certificate.serial_number, "x")
