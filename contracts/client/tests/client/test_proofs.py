"""Kept calls: `ndx call --sign --save`, then `ndx verify-message` without the exchange."""

import json
from pathlib import Path
from time import time

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ndx_client import NdxClient
from ndx_client.main import app
from ndx_client.proofs import read_signing_key
from ndx_contracts.signatures import jwk
from ndx_contracts.signed_exchange import ReplySigner, signature_of
from typer.testing import CliRunner

PROVIDER = Ed25519PrivateKey.generate()
FILES = ("request.json", "request.body", "reply.json", "reply.body")


def provider(request: httpx.Request) -> httpx.Response:
    body = b'{"full_name":"An"}'
    number = request.headers["ndx-request-id"]
    added = ReplySigner(PROVIDER).sign(
        status=404 if request.url.path.endswith("/missing") else 200,
        body=body,
        method=request.method,
        path=request.url.raw_path.decode().partition("?")[0],
        query=request.url.query.decode(),
        request_id=number,
        request_signature=signature_of(request.headers.get("signature")),
        now=int(time()),
    )
    status = 404 if request.url.path.endswith("/missing") else 200
    return httpx.Response(status, headers={"ndx-request-id": number, **dict(added)}, content=body)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Give a folder with a kept call, and the keys of both sides beside it."""
    file = tmp_path / "own.pem"
    assert CliRunner().invoke(app, ["signing-key", "create", str(file)]).exit_code == 0
    assert file.stat().st_mode & 0o077 == 0
    client = NdxClient("https://gateway:8443", transport=httpx.MockTransport(provider))
    client.signing_key, client.keep_in = read_signing_key(file), tmp_path / "kept"
    client.call("POST /x/v1/a", json={"a": 1}, params={"q": "1"}, purpose="STATISTICS")
    owners = ((client.signing_key, "H79.001", "his"), (PROVIDER, "G01", "population"))
    for key, agency, system in owners:
        member = jwk(key.public_key()) | {"agency": agency, "system": system}
        (tmp_path / f"{agency}.json").write_text(json.dumps({"keys": [member]}))
    return tmp_path / "kept"


def verify(kept: Path) -> tuple[int, str]:
    sets = [str(kept.parent / f"{agency}.json") for agency in ("H79.001", "G01")]
    done = CliRunner().invoke(app, ["verify-message", str(kept), "--keys", sets[0], "--keys", sets[1]])
    return done.exit_code, done.output


def test_a_kept_call_says_who_signed_what(kept: Path) -> None:
    status, said = verify(kept)
    assert status == 0, said
    assert "request: signed by H79.001/his" in said
    assert "reply: signed by G01/population" in said


def test_a_reply_to_nobody_in_particular_is_told_as_such(kept: Path) -> None:
    asked = json.loads((kept / "request.json").read_bytes())
    unbound = provider(
        httpx.Request(
            asked["method"],
            "https://gateway:8443" + asked["target"],
            headers={"ndx-request-id": asked["headers"]["ndx-request-id"]},
        )
    )
    (kept / "reply.json").write_text(json.dumps({"status": 200, "headers": dict(unbound.headers)}))
    status, said = verify(kept)
    assert status == 1
    assert "does not cover the request's signature" in said
    assert jwk(PROVIDER.public_key())["kid"] in said


@pytest.mark.parametrize("name", FILES)
def test_any_changed_letter_is_found(kept: Path, name: str) -> None:
    file = kept / name
    whole = file.read_bytes()
    # Blanks between members of the JSON mean nothing; every ninth letter is enough and quick.
    for at in [i for i, byte in enumerate(whole) if not chr(byte).isspace()][::9]:
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert verify(kept)[0] != 0, f"byte {at} of {name}"
    file.write_bytes(whole)
    assert verify(kept)[0] == 0


def test_a_key_revoked_before_proves_nothing_and_one_revoked_after_does(kept: Path) -> None:
    file = kept.parent / "G01.json"
    document = json.loads(file.read_text())
    for moment, status in (("2020-01-01T00:00:00Z", 1), ("2999-01-01T00:00:00Z", 0)):
        document["keys"][0]["revoked_at"] = moment
        file.write_text(json.dumps(document))
        assert verify(kept)[0] == status


def test_without_the_providers_key_nothing_is_proven(kept: Path) -> None:
    (kept.parent / "G01.json").write_text('{"keys": []}')
    status, said = verify(kept)
    assert (status, "Not proven" in said) == (1, True)
