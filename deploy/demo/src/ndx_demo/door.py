"""A system's or operator's way through the gateway: one HTTP client with its certificate."""

import ssl
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx


class StepFailed(Exception):
    """A step of the demo did not come out as it must."""


class Door:
    """Calls the gateway under one certificate."""

    def __init__(self, url: str, certificate: Path, key: Path, ca: Path) -> None:
        self._ca = ca
        context = ssl.create_default_context(cafile=str(ca))
        context.load_cert_chain(certificate, key)
        self._client = httpx.Client(base_url=url, verify=context, timeout=20, trust_env=False)

    def context_without_certificate(self) -> ssl.SSLContext:
        """Return the trust of this door, for the citizens' listener."""
        return ssl.create_default_context(cafile=str(self._ca))

    def get(self, path: str, *, purpose: str | None = None, **headers: str) -> httpx.Response:
        return self._client.get(path, headers=self._headers(purpose, headers))

    def post(
        self, path: str, body: Any, *, purpose: str | None = None, key: str | None = None, **headers: str
    ) -> httpx.Response:
        sent = self._headers(purpose, headers)
        if key is not None:
            sent["Idempotency-Key"] = key
        return self._client.post(path, json=body, headers=sent)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send anything, for tests that misbehave."""
        return self._client.request(method, path, **options)

    @staticmethod
    def _headers(purpose: str | None, more: dict[str, str]) -> dict[str, str]:
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        headers.setdefault("NDX-Request-Id", str(uuid4()))
        if purpose is not None:
            headers["NDX-Purpose"] = purpose
        return headers

    def close(self) -> None:
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
