"""Typed client of the exchange: calls under one certificate, problems as exceptions.

with NdxClient("https://gateway:8443", cert="his.crt", key="his.key", ca="ca.crt") as ndx:
reply = ndx.call("insurance.create_entitlement_check", purpose=Purpose.HEALTH_ENTITLEMENT, json={...})
"""

import re
import ssl
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from ndx_contracts import headers as names
from ndx_contracts.problems import Problem
from ndx_contracts.signatures import Request
from ndx_contracts.signed_exchange import Reply
from pydantic import ValidationError

from ndx_client import proofs
from ndx_client.errors import CertificateNotAccepted, GatewayUnreachable, NotConfigured, Refused
from ndx_client.models import AllowedOperation, Issued

_MEMBER = re.compile(r"\{([a-z_]+)\}")
_OPERATION = re.compile(r"^[a-z][a-z-]*\.[a-z][a-z0-9_]*$")
_CREATING = frozenset({"POST"})


def _context(ca: Path | None, cert: Path | None, key: Path | None) -> ssl.SSLContext:
    for path, name in ((ca, "NDX_CA"), (cert, "NDX_CERT"), (key, "NDX_KEY")):
        if path is not None and not path.is_file():
            raise NotConfigured(f"There is no file {path}.", f"Set {name} to the right file.")
    if (cert is None) is not (key is None):
        raise NotConfigured("A certificate needs its key.", "Set both NDX_CERT and NDX_KEY.")
    try:
        context = ssl.create_default_context(cafile=None if ca is None else str(ca))
        if cert is not None:
            context.load_cert_chain(cert, key)
    except ssl.SSLError:
        raise CertificateNotAccepted("The certificate, the key or the CA cannot be used.") from None
    return context


def refusal(reply: httpx.Response) -> Refused:
    """Return the exception for an answer from 300 on, whatever its body looks like."""
    try:
        problem = Problem.model_validate_json(reply.content)
    except ValidationError:
        code = "unknown"
        problem = Problem(
            type=f"/problems/{code}",
            title=reply.reason_phrase or "Refused",
            status=reply.status_code,
            detail=f"The answer holds no problem document ({reply.headers.get('content-type', 'no type')}).",
            instance=f"urn:ndx:request:{reply.headers.get(names.REQUEST_ID, '-')}",
            code=code,
        )
    wait = reply.headers.get("retry-after", "")
    return Refused(problem, retry_after=int(wait) if wait.isdigit() else None)


class NdxClient:
    """Calls the exchange for one system or operator; safe to share between threads."""

    def __init__(
        self,
        gateway_url: str,
        cert: str | Path | None = None,
        key: str | Path | None = None,
        ca: str | Path | None = None,
        *,
        timeout: float = 20.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        context = _context(Path(ca) if ca else None, Path(cert) if cert else None, Path(key) if key else None)
        self._http = httpx.Client(
            base_url=gateway_url, verify=context, timeout=timeout, trust_env=False, transport=transport
        )
        self.signing_key: Ed25519PrivateKey | None = None
        """Signs every call when it is set."""
        self.keep_in: Path | None = None
        """Folder for the last call and its reply, refused or not, to be proven later."""
        self._allowed: dict[str, AllowedOperation] = {}

    def call(
        self,
        operation: str,
        *,
        path: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        purpose: str | None = None,
        case_id: str | None = None,
        officer: str | None = None,
        idempotency_key: str | None = None,
        request_id: str | None = None,
        if_match: str | None = None,
    ) -> httpx.Response:
        """Call an operation by its name (`population.get_person`) or as `GET /population/v1/…`.

        `path` fills the members of a path template. A POST without an idempotency key gets a new one: give
        your own to repeat a call whose answer was lost. `if_match` is the ETag of what you saw: the call is
        refused when it changed since.

        Raises:
            Refused: the exchange or the provider said no; `code` says why.
            GatewayUnreachable: no answer.
            CertificateNotAccepted: the TLS handshake failed.
        """
        method, template = self._resolve(operation)
        members = path or {}
        missing = [m for m in _MEMBER.findall(template) if m not in members]
        if missing:
            raise NotConfigured(f"The path needs {', '.join(missing)}.", "Give each member of the path.")
        wanted = {
            names.REQUEST_ID: request_id or str(uuid4()),
            names.PURPOSE: purpose,
            names.CASE_ID: case_id,
            names.OFFICER: officer,
            "If-Match": if_match,
            names.IDEMPOTENCY_KEY: idempotency_key or (str(uuid4()) if method in _CREATING else None),
        }
        headers = {name: value for name, value in wanted.items() if value is not None}
        url = _MEMBER.sub(lambda m: quote(members[m.group(1)], safe=""), template)
        return self.send(method, url, params=params, json=json, headers=headers)

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send one request and return an answer below 300; raises as `call` does."""
        try:
            request = self._http.build_request(method, url, params=params, json=json, headers=headers)
            sent = Request(method, str(request.url), dict(request.headers), request.read())
            if self.signing_key is not None:
                request.headers.update(proofs.signature_headers(self.signing_key, sent))
            reply = self._http.send(request)
        except httpx.TransportError as error:
            if _is_tls(error):
                raise CertificateNotAccepted(f"The TLS handshake failed: {_words(error)}") from None
            raise GatewayUnreachable(f"No answer from the gateway: {type(error).__name__}.") from None
        if self.keep_in is not None:
            kept = Reply(reply.status_code, dict(reply.headers), sent)
            proofs.keep(self.keep_in, kept, reply.content)
        if reply.status_code >= httpx.codes.MULTIPLE_CHOICES:
            raise refusal(reply)
        return reply

    def pages(self, operation: str, *, params: Mapping[str, str] | None = None) -> list[Any]:
        """Return the items of a list that comes in pages; raises as `call` does."""
        items: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.call(operation, params={**(params or {}), **({"cursor": cursor} if cursor else {})})
            items.extend(page.json()["items"])
            cursor = page.json()["next_cursor"]
        return items

    def _resolve(self, operation: str) -> tuple[str, str]:
        method, _, path = operation.partition(" ")
        if path.startswith("/"):
            return method.upper(), path
        if not _OPERATION.match(operation):
            raise NotConfigured(
                f"{operation!r} is neither an operation nor a method with a path.",
                "Write population.get_person or 'GET /population/v1/persons/{personal_id}'.",
            )
        if operation not in self._allowed:
            self._allowed = {found.operation: found for found in self.allowed()}
        found = self._allowed.get(operation)
        if found is None:
            raise NotConfigured(f"You have no agreement in force for {operation}.", "Run: ndx allowed")
        return found.method, found.path

    def allowed(self) -> list[AllowedOperation]:
        """Return what this caller may call now."""
        body = self.send("GET", "/v1/allowed-operations").json()
        return [AllowedOperation.model_validate(item) for item in body["items"]]

    def request_certificate(self, enrolment_code: str, csr_pem: str) -> Issued:
        """Send a PKCS#10 request with a one-time code; works at the citizen door without a certificate."""
        body = {"enrolment_code": enrolment_code, "csr_pem": csr_pem}
        return Issued.model_validate(self.send("POST", "/v1/certificates", json=body).json())

    def renew_certificate(self, csr_pem: str) -> Issued:
        """Send a request with a new key under the certificate in use; both work until the overlap ends."""
        return Issued.model_validate(
            self.send("POST", "/v1/certificates/renewals", json={"csr_pem": csr_pem}).json()
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _is_tls(error: BaseException) -> bool:
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLError):
            return True
        seen = seen.__cause__ or seen.__context__
    words = str(error).lower()
    return "ssl" in words or "tls" in words


def _words(error: BaseException) -> str:
    return re.sub(r"\s*\(_ssl\.c:\d+\)", "", str(error))[:200]
