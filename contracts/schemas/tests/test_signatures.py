"""Signed requests: what was signed verifies, what was changed does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ndx_contracts.signatures import Request, SignatureInvalid, Signer, jwk, keys_of, verify

KEY = Ed25519PrivateKey.generate()
KEYS = keys_of({"keys": [jwk(KEY.public_key()), {"kty": "RSA"}]})


def signed() -> Request:
    request = Request(
        "POST", "https://bank.example/hook?x=1", {"Content-Type": "application/json"}, b'{"a":1}'
    )
    Signer(KEY).sign(request, tag="ndx-feed")
    return request


def with_header(name: str, value: str) -> Callable[[Request], Request]:
    return lambda r: replace(r, headers={**r.headers, name: value})


def test_a_request_verifies_with_the_published_key():
    assert verify(signed(), KEYS, tag="ndx-feed") == jwk(KEY.public_key())["kid"]


def test_the_thumbprint_is_that_of_the_standard():
    # RFC 8037, appendix A.3
    raw = keys_of(
        {
            "keys": [
                {
                    "kty": "OKP",
                    "crv": "Ed25519",
                    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                    "kid": "a",
                }
            ]
        }
    )
    assert jwk(raw["a"])["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, body=b'{"a":2}'),
        lambda r: replace(r, url="https://bank.example/hook?x=2"),
        lambda r: replace(r, method="PUT"),
        with_header("Content-Type", "text/plain"),
        with_header("Content-Digest", "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"),
        with_header("Signature", "ndx=:AAAA:"),
        with_header("Signature-Input", "nonsense"),
        lambda r: replace(r, headers={"Content-Type": "application/json"}),
    ],
)
def test_whatever_is_changed_is_noticed(change: Callable[[Request], Request]):
    with pytest.raises(SignatureInvalid):
        verify(change(signed()), KEYS, tag="ndx-feed")


def test_another_key_another_purpose_or_an_old_signature_do_not_count():
    other = keys_of({"keys": [jwk(Ed25519PrivateKey.generate().public_key())]})
    for keys, tag, age in (
        (other, "ndx-feed", timedelta(minutes=5)),
        (KEYS, "ndx-reply", timedelta(minutes=5)),
        (KEYS, "ndx-feed", timedelta(seconds=-120)),
    ):
        with pytest.raises(SignatureInvalid):
            verify(signed(), keys, tag=tag, max_age=age)
