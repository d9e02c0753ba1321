"""The one road: calls to other domains go through the gateway, under this service's own certificate."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import orjson
from ndx_contracts import headers as names
from opentelemetry.trace import SpanKind
from pydantic import BaseModel, ValidationError
from yarl import URL

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


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer with a status below 300."""

    status_code: int
    content: bytes

    def json(self) -> Any:
        """Return the body as plain data.

        Raises:
            ValueError: it is no JSON.
        """
        return orjson.loads(self.content)


class GatewayClient:
    """Calls operations at the gateway; certificates are read at first use and again when they change."""

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._client: aiohttp.ClientSession | None = None
        self._retired: list[aiohttp.ClientSession] = []
        self._loaded: tuple[int, ...] = ()

    def _http(self) -> aiohttp.ClientSession:
        cert, key = self._settings.agency_cert_file, self._settings.agency_key_file
        if cert is None or key is None or not cert.exists():
            raise ProviderUnavailable("This service has no certificate of its agency yet.", retry_after=5)
        ca = self._settings.gateway_ca_file
        changed = tuple(file.stat().st_mtime_ns for file in (cert, ca) if file is not None)
        if self._client is None or changed != self._loaded:
            context = ssl.create_default_context(cafile=None if ca is None else str(ca))
            try:
                context.load_cert_chain(cert, key)
            except ssl.SSLError:
                # A renewal replaces the two files one after the other.
                if self._client is None:
                    raise
                return self._client
            if self._client is not None:
                # Left to finish its calls; its idle connections end with keep-alive.
                self._retired.append(self._client)
            self._client = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=context, limit=64, keepalive_timeout=30),
                timeout=aiohttp.ClientTimeout(total=10, sock_connect=2),
                cookie_jar=aiohttp.DummyCookieJar(),
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
    ) -> Reply:
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
                # Encoded already: an escaped member must not be unescaped or escaped twice.
                address = URL(self._settings.gateway_url + url, encoded=True)
                async with self._http().request(
                    method, address, params=params, json=json, headers=sent, allow_redirects=False
                ) as answer:
                    reply = Reply(answer.status, await answer.read())
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                raise ProviderUnavailable(f"No answer: {type(error).__name__}.", retry_after=1) from None
            current.set_attribute("http.response.status_code", reply.status_code)
        if reply.status_code < 300:  # noqa: PLR2004 - success statuses
            return reply
        refusal = _refusal(reply)
        if reply.status_code >= 500 or reply.status_code in _RETRIABLE:  # noqa: PLR2004 - server errors
            raise ProviderUnavailable(f"The gateway answered {reply.status_code} {refusal}.", retry_after=1)
        raise ProviderRefused(reply.status_code, refusal)

    async def close(self) -> None:
        """Close all connections."""
        for client in [*self._retired, self._client]:
            if client is not None:
                await client.close()


def read_answer(reply: Reply, model: type[_Answer]) -> _Answer:
    """Read an answer as the caller needs it.

    Raises:
        ProviderAnswerUnusable: a member is missing or of another kind; said without any value.
    """
    try:
        return model.model_validate_json(reply.content)
    except ValidationError as error:
        members = sorted({".".join(str(part) for part in fault["loc"]) or "body" for fault in error.errors()})
        raise ProviderAnswerUnusable(f"Unreadable: {', '.join(members)[:200]}.") from None


def _refusal(reply: Reply) -> str:
    try:
        code = reply.json().get("code")
    except (ValueError, AttributeError):
        return "unknown"
    return code if isinstance(code, str) and re.fullmatch(r"[a-z0-9-]{1,64}", code) else "unknown"
