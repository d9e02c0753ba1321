"""Kept calls: a signed call and its signed reply as files, and the check of them without the exchange.

Kept is what the signatures cover, and nothing else: whatever stands in the files is proven or found out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from ndx_contracts.signatures import Request, SignatureInvalid, keys_of
from ndx_contracts.signed_exchange import (
    ALWAYS,
    IF_SENT,
    Proof,
    Reply,
    sign_request,
    signature_of,
    verify_reply,
    verify_request,
)

from ndx_client.errors import NotConfigured
from ndx_client.keys import write_secret

_SIGNATURE = ("content-digest", "signature-input", "signature")
_SENT = frozenset(name for name in (*ALWAYS, *IF_SENT, *_SIGNATURE) if not name.startswith("@"))
_ANSWERED = frozenset({"ndx-request-id", *_SIGNATURE})
_HOST = "https://exchange"
"""Stands for scheme and authority, which the gateway changes and no signature covers."""
_AGENCY, _SYSTEM, _REVOKED = "agency", "system", "revoked_at"


@dataclass(frozen=True, slots=True)
class Finding:
    """Who signed one of the two messages, with which key, and when."""

    message: str
    signer: str
    key_id: str
    signed_at: datetime


def read_signing_key(path: Path) -> Ed25519PrivateKey:
    """Read an unencrypted Ed25519 key.

    Raises:
        NotConfigured: there is none in the file.
    """
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        raise NotConfigured(f"{path} holds no Ed25519 key.", "Make one: ndx signing-key create FILE")
    return key


def signature_headers(key: Ed25519PrivateKey, request: Request) -> dict[str, str]:
    """Return the headers that sign a request."""
    sign_request(key, request)
    return {name: request.headers[name] for name in _SIGNATURE}


def _chosen(headers: Mapping[str, str], wanted: frozenset[str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() in wanted}


def keep(folder: Path, reply: Reply, body: bytes) -> None:
    """Write a call and its reply to a folder; only its owner may read them."""
    asked = reply.request
    target = "/" + asked.url.partition("://")[2].partition("/")[2]
    request = {"method": asked.method, "target": target, "headers": _chosen(asked.headers, _SENT)}
    answer = {"status": reply.status_code, "headers": _chosen(reply.headers, _ANSWERED)}
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_secret(folder / "request.json", json.dumps(request, indent=1).encode())
    write_secret(folder / "request.body", asked.body)
    write_secret(folder / "reply.json", json.dumps(answer, indent=1).encode())
    write_secret(folder / "reply.body", body)


def check(folder: Path, key_sets: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Check a kept call; the request is among the findings if it was signed.

    Raises:
        SignatureInvalid: a signature is missing or does not hold, or its key was revoked before.
        NotConfigured: the folder or the keys are not what they should be.
    """
    try:
        asked = json.loads((folder / "request.json").read_bytes())
        answer = json.loads((folder / "reply.json").read_bytes())
        sent, body = (folder / "request.body").read_bytes(), (folder / "reply.body").read_bytes()
        request = Request(asked["method"], _HOST + asked["target"], asked["headers"], sent)
        reply = Reply(answer["status"], answer["headers"], request)
        members = {m["kid"]: m for key_set in key_sets for m in key_set["keys"]}
        keys = keys_of({"keys": list(members.values())})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotConfigured(
            f"The kept call or the keys cannot be read: {type(error).__name__}.",
            "Give a folder of ndx call --save, and key sets of ndx signing-key list --of AGENCY.",
        ) from None
    found = []
    if signature_of(request.headers.get("signature")) is not None:
        found.append(_finding("request", verify_request(request, keys, max_age=None), members))
    elif request.body or "signature" in request.headers:
        raise SignatureInvalid("the request's body is not signed")
    found.append(_finding("reply", verify_reply(reply, body, keys), members))
    return found


def _finding(message: str, proof: Proof, members: Mapping[str, Mapping[str, Any]]) -> Finding:
    key = members[proof.key_id]
    revoked = key.get(_REVOKED)
    if revoked is not None and proof.signed_at >= datetime.fromisoformat(revoked):
        raise SignatureInvalid(f"the key of the {message} was revoked before it was signed")
    return Finding(message, f"{key.get(_AGENCY, '?')}/{key.get(_SYSTEM, '?')}", proof.key_id, proof.signed_at)
