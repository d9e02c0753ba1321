"""Signed calls and replies: what both sides sign holds, and any change is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from time import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from http_message_signatures import HTTPMessageSigner, algorithms
from ndx_contracts.signatures import LABEL, Request, SignatureInvalid, _Keys, jwk, keys_of
from ndx_contracts.signed_exchange import (
    ALWAYS,
    REQUEST_TAG,
    Reply,
    ReplyNotBound,
    ReplySigner,
    sign_request,
    signature_of,
    verify_reply,
    verify_request,
)

AGENCY, PROVIDER, OTHER = (Ed25519PrivateKey.generate() for _ in range(3))
KEYS = keys_of({"keys": [jwk(AGENCY.public_key()), jwk(PROVIDER.public_key())]})
BODY = b'{"full_name":"An"}'


def request(body: bytes = b"", **more: str) -> Request:
    headers = {"NDX-Request-Id": "0193", "NDX-Purpose": "STATISTICS", **more}
    return Request("GET", "https://gateway:8443/population/v1/persons/1?fields=name", headers, body)


def signed(key: Ed25519PrivateKey = AGENCY, body: bytes = b"") -> Request:
    made = request(body)
    sign_request(key, made)
    return made


def reply_to(
    asked: Request, *, key: Ed25519PrivateKey = PROVIDER, status: int = 200, ahead: int = 0
) -> Reply:
    added = ReplySigner(key).sign(
        status=status,
        body=BODY,
        method="GET",
        path="/population/v1/persons/1",
        query="fields=name",
        request_id="0193",
        request_signature=signature_of(asked.headers.get("signature")),
        now=int(time()) + ahead,
    )
    return Reply(status, {"ndx-request-id": "0193", **dict(added)}, asked)


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_signed_request_holds_at_another_address(body: bytes) -> None:
    made = signed(body=body)
    made.url = made.url.replace("https://gateway:8443", "http://service")
    assert verify_request(made, KEYS).key_id == jwk(AGENCY.public_key())["kid"]


@pytest.mark.parametrize(
    "change",
    [
        {"method": "POST"},
        {"url": "https://gateway:8443/population/v1/persons/2?fields=name"},
        {"url": "https://gateway:8443/population/v1/persons/1?fields=all"},
        {"body": b"more"},
    ],
)
def test_a_changed_request_is_found(change: dict[str, object]) -> None:
    with pytest.raises(SignatureInvalid):
        verify_request(replace(signed(), **change), KEYS)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["ndx-purpose", "ndx-request-id", "ndx-officer", "idempotency-key"])
def test_a_header_changed_or_put_there_afterwards_is_found(name: str) -> None:
    made = signed()
    made.headers[name] = "other"
    with pytest.raises(SignatureInvalid):
        verify_request(made, KEYS)


def test_another_key_and_an_old_signature_are_refused() -> None:
    with pytest.raises(SignatureInvalid):
        verify_request(signed(OTHER), KEYS)
    with pytest.raises(SignatureInvalid):
        verify_request(signed(), KEYS, max_age=timedelta(seconds=-60))


@pytest.mark.parametrize("asked", [request(), signed()], ids=["unsigned", "signed"])
def test_the_library_accepts_the_reply_that_ndx_signs(asked: Request) -> None:
    assert verify_reply(reply_to(asked), BODY, KEYS).key_id == jwk(PROVIDER.public_key())["kid"]


def test_a_changed_reply_is_found() -> None:
    made = reply_to(signed())
    wrong = [
        (replace(made, status_code=404), BODY),
        (made, BODY.replace(b"An", b"Ba")),
        (replace(made, headers=made.headers | {"ndx-request-id": "0194"}), BODY),
        (replace(made, request=signed(body=b"{}")), BODY),
        (reply_to(signed(), key=OTHER), BODY),
    ]
    for reply, body in wrong:
        with pytest.raises(SignatureInvalid):
            verify_reply(reply, body, KEYS)


def test_a_reply_that_leaves_out_the_requests_signature_proves_nothing() -> None:
    unbound = replace(reply_to(request()), request=signed())
    with pytest.raises(ReplyNotBound) as told:
        verify_reply(unbound, BODY, KEYS)
    assert told.value.proof.key_id == jwk(PROVIDER.public_key())["kid"]
    for wrong in (replace(unbound, status_code=404), replace(reply_to(signed()), request=signed(body=b"{}"))):
        with pytest.raises(SignatureInvalid) as refused:
            verify_reply(wrong, BODY, KEYS)
        assert not isinstance(refused.value, ReplyNotBound)


@pytest.mark.parametrize(("ahead", "holds"), [(20, True), (-20, True), (90, False), (-900, False)])
def test_clocks_may_differ_by_half_a_minute(ahead: int, *, holds: bool) -> None:
    made = reply_to(request(), ahead=ahead)
    if holds:
        assert verify_reply(made, BODY, KEYS, max_age=timedelta(minutes=5))
    else:
        with pytest.raises(SignatureInvalid, match="future" if ahead > 0 else "age"):
            verify_reply(made, BODY, KEYS, max_age=timedelta(minutes=5))


@pytest.mark.parametrize(
    ("ahead", "holds"), [(20, True), (-20, True), (90, False), (-315, True), (-360, False)]
)
def test_so_may_the_clock_of_a_caller(ahead: int, *, holds: bool) -> None:
    made = request()
    made.headers = {name.lower(): value for name, value in made.headers.items()}
    keys = _Keys(private=AGENCY)
    HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=keys).sign(
        made,
        key_id=jwk(AGENCY.public_key())["kid"],
        label=LABEL,
        tag=REQUEST_TAG,
        covered_component_ids=(*ALWAYS, "ndx-purpose"),
        created=datetime.now(UTC) + timedelta(seconds=ahead),
        body=made.body,
    )
    if holds:
        assert verify_request(made, KEYS)
    else:
        with pytest.raises(SignatureInvalid, match="future" if ahead > 0 else "age"):
            verify_request(made, KEYS)


@pytest.mark.parametrize(
    "header",
    [
        '{asked};p="x, {other}, y"',
        'z=:AAAA:;p="x, {other}, y", {asked}',
        'z="x, {other}, y", {asked}',
        "{other}, {asked}",
        "{asked};p=1",
    ],
)
def test_no_signature_of_another_request_hides_in_the_header(header: str) -> None:
    asked, other = (signed(body=body).headers["signature"] for body in (b"B", b"A"))
    with pytest.raises(SignatureInvalid):
        signature_of(header.format(asked=asked, other=other))


def test_signatures_of_others_stand_beside() -> None:
    mine = signed().headers["signature"]
    assert signature_of(f"proxy=:QUJD: ,\t{mine}") == mine.removeprefix("ndx=")
    assert signature_of("proxy=:QUJD:") is None
