"""A double of the gateway client: answers what a test tells it, and remembers what was asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from ndx_chassis.gateway_client import ProviderRefused, ProviderUnavailable, Reply


@dataclass(frozen=True, slots=True)
class Call:
    """One call that the service made."""

    method: str
    template: str
    path: Mapping[str, str]
    purpose: str | None
    params: Mapping[str, str]
    json: Any
    idempotency_key: str | None


class RecordingGateway:
    """Stands where the gateway client stands; unknown operations are refused like at the real gateway."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._answers: dict[tuple[str, str], Any] = {}
        self._away = False

    def answers(self, method: str, template: str, *, json: Any = None, status: int = 200) -> None:
        """Answer an operation with a body, or with what a function of the call returns."""
        self._answers[method, template] = (status, json)

    def unavailable(self) -> None:
        """Be away from now on."""
        self._away = True

    def available(self) -> None:
        """Be back."""
        self._away = False

    async def call(
        self,
        method: str,
        template: str,
        *,
        path: Mapping[str, str] | None = None,
        purpose: str | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        idempotency_key: str | None = None,
        case_id: str | None = None,
        officer: str | None = None,
    ) -> Reply:
        """Do what the real client does, with a prepared answer."""
        del case_id, officer
        call = Call(method, template, path or {}, purpose, params or {}, json, idempotency_key)
        self.calls.append(call)
        if self._away:
            raise ProviderUnavailable("No answer: ClientConnectorError.")
        if (method, template) not in self._answers:
            raise ProviderRefused(403, "no-agreement")
        status, body = self._answers[method, template]
        if callable(body):
            body = body(call)
        if status >= 500:
            raise ProviderUnavailable(f"The gateway answered {status} provider-unavailable.")
        if status >= 300:
            raise ProviderRefused(status, str((body or {}).get("code", "unknown")))
        return Reply(status, orjson.dumps(body))

    async def close(self) -> None:
        """Nothing to close."""
