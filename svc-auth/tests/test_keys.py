"""Keys: the thumbprint as kid, sealing bound to an owner, and no start without a key."""

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey
from svc_auth.keys import SecretsKey, SigningKey, load_keys
from svc_auth.settings import Settings


def _pem(curve: ec.EllipticCurve) -> bytes:
    key = ec.generate_private_key(curve)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_the_kid_is_the_thumbprint_of_rfc_7638():
    pem = _pem(ec.SECP256R1())
    key = SigningKey(pem)
    assert key.kid == ECKey.import_key(pem).thumbprint() == key.public_jwks()["keys"][0]["kid"]


def test_another_curve_is_refused():
    with pytest.raises(ValueError, match="P-256"):
        SigningKey(_pem(ec.SECP384R1()))


def test_a_sealed_secret_opens_for_its_owner_only():
    key = SecretsKey(b"k" * 32)
    for seal in (key.stored, key.pages):
        sealed = seal.seal(b"secret", owner="a")
        assert seal.open(sealed, owner="a") == b"secret"
        with pytest.raises(InvalidTag):
            seal.open(sealed, owner="b")


def test_pages_are_not_sealed_with_the_key_of_what_is_kept():
    key = SecretsKey(b"k" * 32)
    with pytest.raises(InvalidTag):
        key.stored.open(key.pages.seal(b"secret", owner="a"), owner="a")


def test_what_was_kept_before_pages_had_a_key_of_their_own_still_opens():
    sealed = bytes.fromhex("7f59a2a215998d3d815d49ef63748dcdd87c44bd9ada6a7e9dc34f76004d8117ae2c")
    assert SecretsKey(b"k" * 32).stored.open(sealed, owner="a") == b"secret"


def test_digests_differ_by_use_and_key():
    key = SecretsKey(b"k" * 32)
    assert key.blind("handle", "x") == key.blind("handle", "x") != key.blind("source", "x")
    assert key.blind("handle", "x") != SecretsKey(b"l" * 32).blind("handle", "x")


def test_without_a_signing_key_the_service_does_not_start():
    with pytest.raises(ValueError, match="AUTH_SIGNING_KEY_FILE"):
        load_keys(Settings(signing_key_file=None))
