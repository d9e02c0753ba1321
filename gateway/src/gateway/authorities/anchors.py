"""Reads what outside authorities hand over: trust anchors and revocation lists (RFC 5280)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.authorities import authority
from gateway.authorities.errors import AnchorRefused, RevocationListRefused
from gateway.authorities.signing_requests import LEAST_RSA_BITS

# Types whose short names are the same here and in Envoy; any other would be written in another way there.
_NAMES = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C",
    NameOID.LOCALITY_NAME: "L",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.DOMAIN_COMPONENT: "DC",
    NameOID.USER_ID: "UID",
    NameOID.EMAIL_ADDRESS: "emailAddress",
    NameOID.SERIAL_NUMBER: "serialNumber",
}
_FIRST_PRINTABLE, _DELETE = 0x20, 0x7F
_PEM = b"-----BEGIN"


def subject_as_envoy_writes_it(name: x509.Name) -> str:
    r"""Return a name in RFC 2253's form with every byte outside printable ASCII as `\XX`.

    Raises:
        AnchorRefused: the name has parts that could be written in more than one way.
    """
    for part in name.rdns:
        if len(part) != 1 or next(iter(part)).oid not in _NAMES:
            raise AnchorRefused("The subject may hold CN, O, OU, C, L, ST, DC, UID, e-mail, serial number.")
    written = name.rfc4514_string(_NAMES).encode()
    return "".join(chr(b) if _FIRST_PRINTABLE <= b < _DELETE else f"\\{b:02X}" for b in written)


def read_anchor(pem: str) -> x509.Certificate:
    """Return the authority's certificate after looking at whether it can be one.

    Raises:
        AnchorRefused: unreadable, several, no CA, outside its time, or a weak key.
    """
    try:
        found = x509.load_pem_x509_certificates(pem.encode())
        certificate = found[0]
        key = certificate.public_key()
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound as missing:
        raise AnchorRefused(f"The certificate lacks the extension {missing.oid.dotted_string}.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise AnchorRefused("This is no certificate in PEM form.") from None
    if len(found) != 1:
        raise AnchorRefused("Give one certificate: of the authority that signs the callers' itself.")
    if not constraints.ca or not usage.key_cert_sign or not usage.crl_sign:
        raise AnchorRefused("The certificate must be a CA's, for signing certificates and revocation lists.")
    if not certificate.not_valid_before_utc <= datetime.now(UTC) < certificate.not_valid_after_utc:
        raise AnchorRefused("The certificate is not valid now.")
    strong = isinstance(key, ec.EllipticCurvePublicKey) or (
        isinstance(key, rsa.RSAPublicKey) and key.key_size >= LEAST_RSA_BITS
    )
    if not strong:
        raise AnchorRefused(f"The key must be elliptic or RSA with at least {LEAST_RSA_BITS} bits.")
    return certificate


def number_of(crl: x509.CertificateRevocationList) -> int:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return 0


def read_list(pem: str, anchor: x509.Certificate) -> x509.CertificateRevocationList:
    """Return an outside authority's list after looking at whether Envoy will take it.

    Raises:
        RevocationListRefused: unreadable, of somebody else, not signed by the anchor, or out of date.
    """
    try:
        crl = x509.load_pem_x509_crl(pem.encode())
        key = anchor.public_key()
        signed = False
        if isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey)):
            signed = crl.is_signature_valid(key)
        extensions = crl.extensions
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        raise RevocationListRefused("This is no revocation list in PEM form.") from None
    if crl.issuer != anchor.subject or not signed:
        raise RevocationListRefused("The list is not this authority's.")
    for kind in (x509.DeltaCRLIndicator, x509.IssuingDistributionPoint):
        if any(isinstance(e.value, kind) for e in extensions):
            raise RevocationListRefused("Give the complete list, neither a delta nor a part.")
    now = datetime.now(UTC)
    if crl.next_update_utc is None or not crl.last_update_utc <= now < crl.next_update_utc:
        raise RevocationListRefused("The list is not current: fetch the newest one.")
    return crl


@dataclass(frozen=True, slots=True)
class Known:
    """The list of an authority that is here already."""

    number: int
    this_update: datetime
    pem: str


@dataclass(frozen=True, slots=True)
class NewList:
    """A list that takes the place of the one before."""

    number: int
    entries: int
    pem: str
    this_update: datetime
    next_update: datetime
    fresh: Sequence[str] = ()
    """Serials that the one before did not have."""


def described(
    crl: x509.CertificateRevocationList, number: int, pem: str | None = None, fresh: Sequence[str] = ()
) -> NewList:
    """Return what is kept of a list."""
    this_update = crl.last_update_utc
    text = authority.list_pem(crl) if pem is None else pem
    return NewList(number, len(crl), text, this_update, crl.next_update_utc or this_update, fresh)


def read_newer(data: bytes, anchor_pem: str, known: Known | None) -> NewList:
    """Read an authority's list in PEM or DER form, which is newer than the known one or the same.

    Raises:
        RevocationListRefused: it is older than the known one, or as `read_list` says.
    """
    crl = read_list(_pem_of(data), x509.load_pem_x509_certificate(anchor_pem.encode()))
    number, pem = number_of(crl), authority.list_pem(crl)
    if known is None:
        return described(crl, number, pem, [format(e.serial_number, "x") for e in crl])
    if crl.last_update_utc < known.this_update or number < known.number:
        raise RevocationListRefused("An older list cannot replace a newer one.")
    if (number, crl.last_update_utc, pem) == (known.number, known.this_update, known.pem):
        return described(crl, number, pem)
    before = {entry.serial_number for entry in x509.load_pem_x509_crl(known.pem.encode())}
    fresh = [format(e.serial_number, "x") for e in crl if e.serial_number not in before]
    return described(crl, number, pem, fresh)


def _pem_of(data: bytes) -> str:
    """Return a list in PEM form, which came in that or in DER form (RFC 5280, section 4.2.1.13)."""
    if data.lstrip().startswith(_PEM):
        return data.decode("ascii", "replace")
    try:
        return authority.list_pem(x509.load_der_x509_crl(data))
    except ValueError:
        raise RevocationListRefused("This is no revocation list.") from None
