"""What the authority refuses to sign."""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from gateway.authorities.errors import CsrRefused
from gateway.authorities.signing_requests import key_digest, read_request
from hypothesis import assume, given, settings
from hypothesis import strategies as st

URI = "urn:ndx:agency:H79.001:his"
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "anything at all")])


def pem_of(request: x509.CertificateSigningRequest) -> str:
    return request.public_bytes(serialization.Encoding.PEM).decode()


def request(key: Any = None, *extensions: x509.ExtensionType, digest: Any = None) -> str:
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(NAME)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    if digest is None and not isinstance(key, ed25519.Ed25519PrivateKey):
        digest = hashes.SHA256()
    return pem_of(builder.sign(key, digest))


def san(*uris: str) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([x509.UniformResourceIdentifier(u) for u in uris])


def rsa_key_of(p: int, q: int, e: int = 65537) -> rsa.RSAPrivateKey:
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), _public(e, p * q)
    )
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def _public(e: int, n: int) -> rsa.RSAPublicNumbers:
    return rsa.RSAPublicNumbers(e, n)


def is_prime(n: int) -> bool:
    return all(pow(a, n - 1, n) == 1 for a in (2, 3, 5, 7, 11, 13))


def next_prime(n: int) -> int:
    n |= 1
    while not is_prime(n):
        n += 2
    return n


class TestKeys:
    @pytest.mark.parametrize(
        "make",
        [
            lambda: ec.generate_private_key(ec.SECP256R1()),
            lambda: ec.generate_private_key(ec.SECP384R1()),
            lambda: rsa.generate_private_key(65537, 2048),
        ],
        ids=["P-256", "P-384", "RSA-2048"],
    )
    def test_these_are_accepted_and_told_apart_by_their_digest(self, make: Callable[[], Any]):
        key = make()
        found = read_request(request(key), uri=URI)
        assert found.key_sha256 == key_digest(key.public_key())

    @pytest.mark.parametrize(
        "make",
        [
            lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - weak on purpose, must be refused
            lambda: rsa.generate_private_key(3, 2048),
            lambda: ec.generate_private_key(ec.SECP521R1()),
            lambda: ec.generate_private_key(ec.SECP256K1()),
            ed25519.Ed25519PrivateKey.generate,
        ],
        ids=["RSA-1024", "exponent 3", "P-521", "secp256k1", "Ed25519"],
    )
    def test_others_are_refused(self, make: Callable[[], Any]):
        with pytest.raises(CsrRefused):
            read_request(request(make()), uri=URI)

    def test_primes_close_together_are_found(self):
        p = next_prime(3 << 1022)
        close = rsa_key_of(p, next_prime(p + 2))
        with pytest.raises(CsrRefused, match="factored"):
            read_request(request(close), uri=URI)

    def test_a_small_factor_is_found(self):
        # The first prime beyond 2 ** 2047; to look for it takes a quarter of a minute.
        small = rsa_key_of((1 << 2047) + 1919, 751)
        with pytest.raises(CsrRefused, match="factored"):
            read_request(request(small), uri=URI)


class TestPossession:
    @settings(max_examples=40, deadline=None)
    @given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=0, max_value=7))
    def test_no_changed_bit_is_accepted(self, place: int, bit: int):
        genuine = x509.load_pem_x509_csr(request().encode())
        der = bytearray(genuine.public_bytes(serialization.Encoding.DER))
        # The count of unused bits in the signature's last octet is no part of what is signed.
        assume(place % len(der) != len(der) - len(genuine.signature) - 1)
        der[place % len(der)] ^= 1 << bit
        body = _pem(bytes(der))
        with pytest.raises(CsrRefused):
            read_request(body, uri=URI)

    def test_a_version_that_there_is_not_is_refused(self):
        der = bytearray(x509.load_pem_x509_csr(request().encode()).public_bytes(serialization.Encoding.DER))
        version = der.index(b"\x02\x01\x00")
        der[version + 2] = 8
        with pytest.raises(CsrRefused, match="PKCS#10"):
            read_request(_pem(bytes(der)), uri=URI)

    def test_the_key_of_somebody_else_is_refused(self):
        """A request whose key is another's, signed with one's own: no proof of possession."""
        mine, theirs = request(), request()
        a, b = (x509.load_pem_x509_csr(r.encode()) for r in (mine, theirs))
        der = a.public_bytes(serialization.Encoding.DER).replace(
            a.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
            b.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            ),
        )
        with pytest.raises(CsrRefused, match="own key"):
            read_request(_pem(der), uri=URI)

    @pytest.mark.parametrize("pem", ["", "nonsense", "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n"])
    def test_no_request_at_all(self, pem: str):
        with pytest.raises(CsrRefused):
            read_request(pem, uri=URI)


def _pem(der: bytes) -> str:
    import base64

    return (
        "-----BEGIN CERTIFICATE REQUEST-----\n"
        + base64.encodebytes(der).decode()
        + "-----END CERTIFICATE REQUEST-----\n"
    )


class TestNamesAndExtensions:
    def test_the_right_name_may_be_asked_for(self):
        read_request(request(None, san(URI)), uri=URI)

    @pytest.mark.parametrize(
        "names",
        [
            ("urn:ndx:operator:NDX:an",),
            (URI, "urn:ndx:operator:NDX:an"),
            ("urn:ndx:agency:H79.001:HIS",),
            (URI + ":more",),
            ("urn:ndx:agency:" + "x" * 3000,),
        ],
    )
    def test_any_other_is_refused(self, names: tuple[str, ...]):
        with pytest.raises(CsrRefused, match="another name"):
            read_request(request(None, san(*names)), uri=URI)

    def test_a_name_of_another_kind_is_refused(self):
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(URI), x509.DNSName("ndx.vn")])
        with pytest.raises(CsrRefused, match="another name"):
            read_request(request(None, names), uri=URI)

    @pytest.mark.parametrize(
        "extension",
        [
            x509.BasicConstraints(ca=True, path_length=None),
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]),
            x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00"),
        ],
        ids=["CA", "server", "unknown"],
    )
    def test_no_further_extension_is_granted(self, extension: x509.ExtensionType):
        with pytest.raises(CsrRefused, match="extension"):
            read_request(request(None, extension), uri=URI)
