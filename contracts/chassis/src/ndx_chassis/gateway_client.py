"""The one road: calls to other domains go through the gateway, under this service's own certificate."""

import re
import ssl
from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
from ndx_contracts import headers as names
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ValidationError

from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.ids import new_id
from ndx_chassis.settings import ServiceSettings
from ndx_chassis.telemetry import span, traceparent

_MEMBER = re.compile(r"\{([a-z_]+)\}")
_Answer = TypeVar("_Answer", bound=BaseModel)
_RETRIABLE = frozenset({408, 425, 429})


class ProviderUnavailable(DomainError):
    """The provider did not answer; the same call may succeed later."""

    kind = Kind.UNAVAILABLE
    code = "provider-unavailable"
    title = "The provider cannot be reached for the moment"
    title_vi = "Bên cung cấp tạm thời không phản hồi"


class ProviderRefused(DomainError):
    """The provider or the gateway answered with a refusal: `status` and its problem `refusal`."""

    kind = Kind.CONFLICT
    code = "provider-refused"
    title = "The provider refused the call"
    title_vi = "Bên cung cấp từ chối yêu cầu"

    def __init__(self, status: int, refusal: str) -> None:
        super().__init__(f"The provider answered {status} {refusal}.")
        self.status = status
        self.refusal = refusal


class ProviderAnswerUnusable(DomainError):
    """The answer lacks what the caller needs; a later one may not."""

    kind = Kind.UNAVAILABLE
    code = "provider-answer-unusable"
    title = "The provider answered in a form that cannot be used"
    title_vi = "Phản hồi của bên cung cấp không sử dụng được"


class GatewayClient:
    """Calls operations at the gateway; certificates are read at first use and again when they change."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._client: httpx.AsyncClient | None = None
        self._loaded: float = 0.0

    def _http(self) -> httpx.AsyncClient:
        cert, key = self._settings.agency_cert_file, self._settings.agency_key_file
        if cert is None or key is None or not cert.exists():
            raise ProviderUnavailable("This service has no certificate of its agency yet.", retry_after=5)
        changed = cert.stat().st_mtime
        if self._client is None or changed != self._loaded:
            context = ssl.create_default_context(
                cafile=str(self._settings.gateway_ca_file) if self._settings.gateway_ca_file else None
            )
            context.load_cert_chain(cert, key)
            # The former client is left to finish its calls; its idle connections end with keep-alive.
            self._client = httpx.AsyncClient(
                base_url=self._settings.gateway_url,
                verify=context,
                timeout=httpx.Timeout(10.0, connect=2.0),
                limits=httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=30),
                trust_env=False,
            )
            self._loaded = changed
        return self._client

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
    ) -> httpx.Response:
        """Call one operation; `path` fills the template's members.

        Raises:
            ProviderUnavailable: no answer, 429 or 5xx; the same call may be made again.
            ProviderRefused: any other status from 300 on.
        """
        members = path or {}
        url = _MEMBER.sub(lambda m: quote(members[m.group(1)], safe=""), template)
        with span(
            f"{method} {template}",
            kind=SpanKind.CLIENT,
            http__request__method=method,
            url__template=template,
        ) as current:
            sent = {names.REQUEST_ID: str(new_id())}
            for name, value in (
                ("traceparent", traceparent()),
                (names.PURPOSE, purpose),
                (names.CASE_ID, case_id),
                (names.OFFICER, officer),
                (names.IDEMPOTENCY_KEY, idempotency_key),
            ):
                if value is not None:
                    sent[name] = str(value)
            try:
                reply = await self._http().request(method, url, params=params, json=json, headers=sent)
            except (httpx.TransportError, ssl.SSLError, OSError) as error:
                raise ProviderUnavailable(f"No answer: {type(error).__name__}.", retry_after=1) from None
            current.set_attribute("http.response.status_code", reply.status_code)
        if reply.status_code < 300:  # noqa: PLR2004 - success statuses
            return reply
        refusal = _refusal(reply)
        if reply.status_code >= 500 or reply.status_code in _RETRIABLE:  # noqa: PLR2004 - server errors
            raise ProviderUnavailable(f"The gateway answered {reply.status_code} {refusal}.", retry_after=1)
        raise ProviderRefused(reply.status_code, refusal)

    async def close(self) -> None:
        """Close idle connections."""
        if self._client is not None:
            await self._client.aclose()


def read_answer(reply: httpx.Response, model: type[_Answer]) -> _Answer:
    """Read an answer as the caller needs it.

    Raises:
        ProviderAnswerUnusable: a member is missing or of another kind; said without any value.
    """
    try:
        return model.model_validate_json(reply.content)
    except ValidationError as error:
        members = sorted({".".join(str(part) for part in fault["loc"]) or "body" for fault in error.errors()})
        raise ProviderAnswerUnusable(f"Unreadable: {', '.join(members)[:200]}.") from None


def _refusal(reply: httpx.Response) -> str:
    try:
        code = reply.json().get("code")
    except (ValueError, AttributeError):
        return "unknown"
    return code if isinstance(code, str) and re.fullmatch(r"[a-z0-9-]{1,64}", code) else "unknown"
