"""Checks of a PKCS#10 request (RFC 2986): what the authority looks at before it signs anything."""

from dataclasses import dataclass
from hashlib import sha256
from math import gcd, isqrt, prod

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from gateway.authorities.errors import CsrRefused

LEAST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
LEAST_RSA_EXPONENT = 65537
_FERMAT_ROUNDS = 100
_SMALL_PRIMES = prod(n for n in range(3, 752) if all(n % d for d in range(2, isqrt(n) + 1)))
_DIGESTS = (hashes.SHA256, hashes.SHA384, hashes.SHA512)

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


@dataclass(frozen=True, slots=True)
class SigningRequest:
    """A request that passed; `key_sha256` is the digest of its SubjectPublicKeyInfo, in hex."""

    key: PublicKey
    key_sha256: str


def key_digest(key: CertificatePublicKeyTypes) -> str:
    """Return the SHA-256 of a key's SubjectPublicKeyInfo, in hex."""
    spki = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return sha256(spki).hexdigest()


def _is_easily_factored(modulus: int) -> bool:
    """Tell whether a small prime divides the modulus or its two primes lie close together (Fermat)."""
    if modulus % 2 == 0 or gcd(modulus, _SMALL_PRIMES) != 1:
        return True
    middle = isqrt(modulus)
    middle += middle * middle < modulus
    for _ in range(_FERMAT_ROUNDS):
        rest = middle * middle - modulus
        if isqrt(rest) ** 2 == rest:
            return True
        middle += 1
    return False


def _checked_key(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey):
        if not isinstance(key.curve, (ec.SECP256R1, ec.SECP384R1)):
            raise CsrRefused("Elliptic keys must be P-256 or P-384.")
        return key
    if not isinstance(key, rsa.RSAPublicKey):
        raise CsrRefused("The key must be P-256, P-384 or RSA.")
    if not LEAST_RSA_BITS <= key.key_size <= MOST_RSA_BITS:
        raise CsrRefused(f"RSA keys must have {LEAST_RSA_BITS} to {MOST_RSA_BITS} bits.")
    numbers = key.public_numbers()
    if numbers.e < LEAST_RSA_EXPONENT or numbers.e % 2 == 0:
        raise CsrRefused("The RSA key's exponent must be odd and at least 65537.")
    if _is_easily_factored(numbers.n):
        raise CsrRefused("The RSA key is weak: its modulus can be factored.")
    return key


def _check_extensions(request: x509.CertificateSigningRequest, uri: str) -> None:
    """Refuse whatever asks for more than the exchange gives; the right name may be asked for."""
    for extension in request.extensions:
        if not isinstance(extension.value, x509.SubjectAlternativeName):
            raise CsrRefused(
                f"The request asks for the extension {extension.oid.dotted_string}; leave it out."
            )
        if list(extension.value) != [x509.UniformResourceIdentifier(uri)]:
            raise CsrRefused(
                f"The request asks for another name than {uri}; leave the name out or use this one."
            )


def read_request(pem: str, *, uri: str) -> SigningRequest:
    """Check a request for the system named by `uri` and return its key.

    Raises:
        CsrRefused: unreadable, a weak key, no proof of possession (RFC 2986, section 3), a digest that is no
            longer safe, another name, or any other extension.
    """
    try:
        request = x509.load_pem_x509_csr(pem.encode())
        key = request.public_key()
        digest = request.signature_hash_algorithm
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise CsrRefused("The request is not a PKCS#10 document in PEM form with a key known here.") from None
    checked = _checked_key(key)
    if not isinstance(digest, _DIGESTS):
        raise CsrRefused("The request must be signed with SHA-256, SHA-384 or SHA-512.")
    try:
        possessed = request.is_signature_valid
    except (ValueError, InvalidSignature, UnsupportedAlgorithm):
        possessed = False
    if not possessed:
        raise CsrRefused("The request is not signed with its own key.")
    try:
        _check_extensions(request, uri)
    except (ValueError, x509.DuplicateExtension):
        raise CsrRefused("The request's extensions cannot be read.") from None
    return SigningRequest(checked, key_digest(checked))
