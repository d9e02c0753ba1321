"""Replaces a system's key and certificate in place; one that was broken off goes on where it stopped."""

from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from ndx_client import keys
from ndx_client.models import Issued


def _next(path: Path) -> Path:
    return path.with_name(path.name + ".next")


def _belong(certificate: Path, key: Path) -> bool:
    if not certificate.exists() or not key.exists():
        return False
    made = x509.load_pem_x509_certificate(certificate.read_bytes())
    return made.public_key() == keys.read_key(key).public_key()


def finish(certificate: Path, key: Path) -> bool:
    """Put what an earlier renewal left into place; tell whether there was something."""
    if not _next(certificate).exists():
        return False
    if _belong(_next(certificate), _next(key)):
        _next(key).replace(key)
    if _belong(_next(certificate), key):
        _next(certificate).replace(certificate)
        return True
    _next(certificate).unlink()
    return False


def renew(certificate: Path, key: Path, ca: Path | None, ask: Callable[[str], Issued]) -> None:
    """Make a new key, ask for its certificate, and put both into place; `ask` sends the request.

    The new key is kept until it has its certificate: asked again with the same one, after an answer that was
    lost, the exchange gives the same certificate. Key and certificate are never both missing, and each file
    is whole at any time.
    """
    if not _next(key).exists():
        keys.write_secret(_next(key), keys.key_pem(keys.new_key()))
    fresh = keys.read_key(_next(key))
    issued = ask(keys.request_pem(fresh, certificate.stem))
    if x509.load_pem_x509_certificate(issued.certificate_pem.encode()).public_key() != fresh.public_key():
        raise ValueError("the exchange sent a certificate of another key")
    if ca is not None:
        keys.write_public(ca, issued.gateway_ca_pem)
    keys.write_public(_next(certificate), issued.certificate_pem)
    finish(certificate, key)
