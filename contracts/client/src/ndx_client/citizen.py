"""Logs a citizen in without a browser: the authorization code flow with PKCE, as an application does it.

For tests and demonstrations: a real application opens the log-in page in the holder's own browser.
"""

import base64
import hashlib
import hmac
import html
import json
import re
import secrets
import ssl
import struct
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict

CLIENT_ID = "ndx-demo"
REDIRECT_URI = "http://127.0.0.1:8000/callback"
_HIDDEN = re.compile(r'<input type="hidden" name="(transaction|token)" value="([^"]*)">')
_PROBLEM = re.compile(r'role="alert".*?<p>(.*?)</p>', re.DOTALL)
_PERIOD = 30
_SEE_OTHER = 303
_spent: dict[str, int] = {}


class LoginRefused(Exception):
    """The provider did not give tokens; the words are the page's or the protocol's."""


class Tokens(BaseModel):
    """What the provider gives for a log-in."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    access_token: str
    id_token: str
    expires_in: int
    scope: str
    claims: dict[str, Any]
    """Claims of the access token, read without checking its signature: the gateway checks it."""


class Activation(BaseModel):
    """A holder's account after activation."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    account_id: str
    totp_secret: str
    totp_uri: str


def citizen_http(citizen_url: str, ca_file: str | Path | None, *, timeout: float = 10.0) -> httpx.Client:
    """Return an HTTP client for the citizen door that trusts the given authority."""
    context = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    return httpx.Client(base_url=citizen_url, verify=context, timeout=timeout, trust_env=False)


def one_time_password(totp_secret: str, at: float | None = None) -> str:
    """Return the six digits of a base 32 secret at a time (RFC 6238, SHA-1, 30 seconds)."""
    padded = totp_secret.upper() + "=" * (-len(totp_secret) % 8)
    step = struct.pack(">Q", int(time.time() if at is None else at) // _PERIOD)
    digest = hmac.digest(base64.b32decode(padded), step, "sha1")
    offset = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def _unspent_password(totp_secret: str) -> str:
    step = max(int(time.time()) // _PERIOD, _spent.get(totp_secret, 0) + 1)
    early = (step - 1) * _PERIOD - time.time()
    if early > 0:
        time.sleep(early)
    _spent[totp_secret] = step
    return one_time_password(totp_secret, step * _PERIOD)


def activate(http: httpx.Client, *, handle: str, activation_code: str, passcode: str) -> Activation:
    """Set the passcode with the code that the office handed over; the one-time secret comes back once.

    Raises:
        LoginRefused: the provider's problem code says why.
    """
    body = {"handle": handle, "activation_code": activation_code, "passcode": passcode}
    reply = http.post("/auth/v1/activations", json=body)
    if reply.status_code != httpx.codes.CREATED:
        raise LoginRefused(f"{reply.status_code} {_json(reply).get('code', 'unknown')}")
    return Activation.model_validate(reply.json())


def log_in(
    http: httpx.Client,
    *,
    handle: str,
    passcode: str,
    totp_secret: str | None = None,
    client_id: str = CLIENT_ID,
    redirect_uri: str = REDIRECT_URI,
) -> Tokens:
    """Run the whole flow: with the secret the log-in reaches acr 2, without it acr 1.

    A one-time password works once: this process never offers one twice, uses the next step's, which the
    provider accepts early, and waits when even that is spent. One spent by another process is tried anew.

    Raises:
        LoginRefused: the page or the protocol refused; nothing was given.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    state, nonce = secrets.token_urlsafe(16), secrets.token_urlsafe(16)
    request = {
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": "openid",
        "state": state,
        "nonce": nonce,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        "acr_values": "2" if totp_secret else "1",
        "ui_locales": "en",
    }
    reply: httpx.Response | None = None
    for _ in range(2 if totp_secret else 1):
        page = http.get("/auth/v1/authorize", params=request)
        fields = {name: html.unescape(value) for name, value in _HIDDEN.findall(page.text)}
        if page.status_code != httpx.codes.OK or set(fields) != {"transaction", "token"}:
            raise LoginRefused(_refusal(page))
        form = {**fields, "handle": handle, "passcode": passcode}
        if totp_secret:
            form["otp"] = _unspent_password(totp_secret)
        reply = http.post("/auth/v1/authorize", data=form)
        if reply.status_code == _SEE_OTHER:
            break
    if reply is None or reply.status_code != _SEE_OTHER:
        raise LoginRefused("no answer" if reply is None else _refusal(reply))
    answer = {k: v[0] for k, v in parse_qs(urlsplit(reply.headers["location"]).query).items()}
    if answer.get("state") != state or "code" not in answer:
        raise LoginRefused(answer.get("error", "the answer is not ours"))
    return _redeem(http, answer["code"], verifier, nonce, client_id=client_id, redirect_uri=redirect_uri)


def _redeem(
    http: httpx.Client, code: str, verifier: str, nonce: str, *, client_id: str, redirect_uri: str
) -> Tokens:
    reply = http.post(
        "/auth/v1/token",
        data={
            "grant_type": "authorization_code",
            "client_id": client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        },
    )
    body = _json(reply)
    if reply.status_code != httpx.codes.OK:
        raise LoginRefused(f"{body.get('error')}: {body.get('error_description')}")
    if _claims(body["id_token"]).get("nonce") != nonce:
        raise LoginRefused("the id token is not for this log-in")
    return Tokens(**body, claims=_claims(body["access_token"]))


def _claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    decoded = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded if isinstance(decoded, dict) else {}


def _json(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refusal(reply: httpx.Response) -> str:
    found = _PROBLEM.search(reply.text)
    words = html.unescape(found[1]).strip() if found else str(_json(reply).get("code", "unknown"))
    return f"{reply.status_code} {words}"
