"""Points of small order are told apart from keys."""

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from gateway.signing_keys.small_order import is_small_order

IDENTITY = b"\x01" + bytes(31)
Y_OF_ORDER_8 = bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05")


def fits_unsigned(raw: bytes) -> bool:
    """Tell whether what nobody signed fits one of many messages under a key."""
    key = Ed25519PublicKey.from_public_bytes(raw)
    for number in range(200):
        try:
            key.verify(IDENTITY + bytes(32), b"%d" % number)
        except InvalidSignature:
            continue
        return True
    return False


@pytest.mark.parametrize(
    "raw",
    [
        IDENTITY,
        bytes(32),
        bytes(31) + b"\x80",
        b"\xec" + b"\xff" * 30 + b"\x7f",
        Y_OF_ORDER_8,
        Y_OF_ORDER_8[:-1] + b"\x85",
        (2**255 - 19 - int.from_bytes(Y_OF_ORDER_8, "little")).to_bytes(32, "little"),
    ],
)
def test_a_point_under_which_unsigned_messages_verify_is_small(raw: bytes) -> None:
    assert fits_unsigned(raw)
    assert is_small_order(raw)


def test_a_real_key_is_not() -> None:
    raw = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    assert not fits_unsigned(raw)
    assert not is_small_order(raw)
