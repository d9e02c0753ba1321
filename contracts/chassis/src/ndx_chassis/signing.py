"""Signed exchange: the signature of an agency's call is checked, and the reply to it is signed (RFC 9421).

What was signed once may be sent again within five minutes by the same system only, under its own certificate:
a read gives the same answer, and a change is held by its Idempotency-Key, which the signature covers.
"""

import asyncio
import base64
from collections.abc import Awaitable, Callable, Mapping
from time import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from nacl.bindings import crypto_sign, crypto_sign_BYTES
from ndx_contracts import headers as names
from ndx_contracts.events import SigningKeyChanged
from ndx_contracts.signatures import Request as SignedRequest
from ndx_contracts.signatures import SignatureInvalid as NotVerified
from ndx_contracts.signed_exchange import ReplySigner, owner_of, prove, signature_of, verify_request
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ndx_chassis.errors import DomainError, Kind, PayloadTooLarge
from ndx_chassis.gateway_client import GatewayClient, ProviderRefused, ProviderUnavailable
from ndx_chassis.kafka import follow
from ndx_chassis.problems import problem_response
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.telemetry import log

_AGENCY, _REQUEST_ID = names.AGENCY.lower().encode(), names.REQUEST_ID.lower().encode()
SIGNED = "ndx_signed"
"""Member of the ASGI scope that tells that the call's signature holds."""
Ask = Callable[[str, str], Awaitable[Mapping[str, Ed25519PublicKey]]]
"""Returns the keys in force of an agency's system; what it raises refuses the call."""


class SignatureInvalid(DomainError):
    kind = Kind.UNAUTHENTICATED
    code = "signature-invalid"
    title = "The call's signature is not valid"
    title_vi = "Chữ ký của yêu cầu không hợp lệ"


class SigningKeyNotSynchronised(DomainError):
    kind = Kind.UNAVAILABLE
    code = "signing-key-not-synchronised"
    title = "The service has not received this signing key yet"
    title_vi = "Dịch vụ chưa nhận được khóa ký này"


class SigningKeyBook:
    """The keys in force by system, kept current in memory by topic `gateway.signing-key.v1`.

    Whoever keeps the keys themselves sets `ask`, and nothing is followed.
    """

    def __init__(self) -> None:
        self._by_system: dict[tuple[str, str], dict[str, Ed25519PublicKey]] = {}
        self.synchronised = asyncio.Event()
        self.ask: Ask | None = None

    def put(self, key: SigningKeyChanged) -> None:
        """Take the newest word on a key."""
        keys = self._by_system.setdefault((key.agency, key.system), {})
        if key.revoked_at is not None:
            keys.pop(key.key_id, None)
        else:
            raw = base64.urlsafe_b64decode(key.x + "=")
            keys[key.key_id] = Ed25519PublicKey.from_public_bytes(raw)

    async def follow(self, servers: str) -> None:
        """Take what the topic brings, for ever."""
        if self.ask is not None:
            return

        async def take(value: bytes) -> None:
            self.put(SigningKeyChanged.model_validate_json(value, extra="ignore"))

        await follow(SigningKeyChanged.TOPIC, servers, take, self.synchronised)

    async def check(self, agency: str, system: str, request: SignedRequest) -> None:
        """Refuse a signature that does not hold.

        Raises:
            SignatureInvalid: of no key in force of this system, too old, or something was changed.
            SigningKeyNotSynchronised: it may be a key of which this process has not read yet.
        """
        owner = (agency, system)
        keys = self._by_system.get(owner, {}) if self.ask is None else await self.ask(*owner)
        try:
            verify_request(request, keys)
        except NotVerified as error:
            if self.ask is None and not self.synchronised.is_set():
                raise SigningKeyNotSynchronised(retry_after=1) from None
            # The library's words name components and parameters, never their values.
            log.info("signature_refused", reason=str(error)[:120])
            raise SignatureInvalid from None


def read_signer(settings: ServiceSettings) -> ReplySigner | None:
    """Return what signs this service's replies, or None where no key is set.

    Raises:
        ValueError: the file holds no unencrypted Ed25519 key.
    """
    if settings.reply_key_file is None:
        return None
    key = load_pem_private_key(settings.reply_key_file.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("the key for replies is no Ed25519 key")  # noqa: TRY004 - wrong content of a file
    secret = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return ReplySigner(key, lambda message: crypto_sign(message, secret)[:crypto_sign_BYTES])


async def publish(settings: ServiceSettings, gateway: GatewayClient) -> None:
    """Publish the service's key under its agency's certificate, as any agency does; try until it is done."""
    signer = read_signer(settings)
    if signer is None or settings.agency_cert_file is None:
        return
    pause = 1
    while True:
        try:
            agency, system = owner_of(settings.agency_cert_file.read_bytes())
            body = {"x": signer.public["x"], "proof": prove(signer.key, agency, system)}
            await gateway.call("POST", "/v1/signing-keys/mine", json=body)
        except FileNotFoundError:
            # The certificate comes when the agency is enrolled, which may be days after the service started.
            await asyncio.sleep(2)
            continue
        except ProviderRefused as refused:
            # The gateway may not know a certificate of this very moment yet; other refusals may heal as well.
            log.warning("signing_key_refused", reason=str(refused)[:120])
        except (ProviderUnavailable, OSError, ValueError) as error:
            log.info("signing_key_not_published", error=type(error).__name__)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(2 * pause, 60)


def install(app: Starlette, settings: ServiceSettings, keys: SigningKeyBook) -> None:
    """Put the signed exchange around an application."""
    signer = read_signer(settings)
    app.add_middleware(SignedExchange, signer=signer, keys=keys, max_body_bytes=settings.max_body_bytes)


class SignedExchange:
    """A plain ASGI middleware around everything else, so that refusals are signed like answers."""

    def __init__(
        self, app: ASGIApp, signer: ReplySigner | None, keys: SigningKeyBook, max_body_bytes: int
    ) -> None:
        self._app, self._signer, self._keys, self._limit = app, signer, keys, max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or all(name != _AGENCY for name, _ in scope["headers"]):
            await self._app(scope, receive, send)
            return
        signing = None if self._signer is None else _Signing(self._signer, scope, send)
        lines = (value.decode("latin-1") for name, value in scope["headers"] if name == b"signature")
        try:
            signature = signature_of(", ".join(lines))
            if signature is not None:
                receive = await self._checked(scope, receive)
        except (NotVerified, DomainError) as error:
            refused = error if isinstance(error, DomainError) else SignatureInvalid()
            await _refuse(refused, scope, receive, signing or send)
            return
        if signing is not None:
            signing.covers = signature
        await self._app(scope, receive, signing or send)

    async def _checked(self, scope: Scope, receive: Receive) -> Receive:
        headers, body = Headers(scope=scope), b""
        more = True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._limit:
                raise PayloadTooLarge
        path, query = _target(scope)
        url = f"https://service{path}" + (f"?{query}" if query else "")
        merged: dict[str, str] = {}
        for name, value in headers.items():
            merged[name] = f"{merged[name]}, {value}" if name in merged else value
        system = headers.get(names.SYSTEM, "").rsplit(":", 1)[-1]
        sent = SignedRequest(scope["method"], url, merged, body)
        await self._keys.check(headers[names.AGENCY], system, sent)
        scope[SIGNED] = True
        given = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


async def _refuse(refused: DomainError, scope: Scope, receive: Receive, send: Send) -> None:
    response = problem_response(Request(scope), refused)
    if request_id := Headers(scope=scope).get(names.REQUEST_ID):
        response.headers[names.REQUEST_ID] = request_id
    await response(scope, receive, send)


def _target(scope: Scope) -> tuple[str, str]:
    raw = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1"), scope["query_string"].decode("latin-1")


class _Signing:
    """Holds the head of a reply back until its body is there; what comes in parts goes out unsigned."""

    def __init__(self, signer: ReplySigner, scope: Scope, send: Send) -> None:
        self._signer, self._scope, self._send = signer, scope, send
        self._head: Message | None = None
        self.covers: str | None = None
        """The request's signature, once it is known to hold: any other could be of another request."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._head = message
            return
        if self._head is not None:
            head, self._head = self._head, None
            if not message.get("more_body", False):
                path, query = _target(self._scope)
                given = list(head.get("headers", ()))
                request_id = next((value for name, value in given if name == _REQUEST_ID), None)
                signed = self._signer.sign(
                    status=head["status"],
                    body=message.get("body", b""),
                    method=self._scope["method"],
                    path=path,
                    query=query,
                    request_id=None if request_id is None else request_id.decode("latin-1"),
                    request_signature=self.covers,
                    now=int(time()),
                )
                given += [(name.encode(), value.encode("latin-1")) for name, value in signed]
                head["headers"] = given
            await self._send(head)
        await self._send(message)
