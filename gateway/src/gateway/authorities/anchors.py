"""Reads what outside authorities hand over: trust anchors and revocation lists (RFC 5280)."""

from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from gateway.authorities.errors import AnchorRefused, RevocationListRefused
from gateway.certificates.signing_requests import LEAST_RSA_BITS

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
