"""The list of relying parties and the exact rule for their redirect URIs."""

import json
import re
from importlib.resources import files
from typing import Annotated
from urllib.parse import urlsplit

from ndx_chassis.app import Runtime
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, field_validator

from svc_auth.keys import settings_of

_LOOPBACK = frozenset({"127.0.0.1", "::1"})
_WITH_PORT = re.compile(r"^(http://(?:127\.0\.0\.1|\[::1\])):[0-9]{1,5}(/[^?#]*)?$")


class Client(BaseModel):
    """A public client (RFC 6749): it has no secret, PKCE protects its codes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,63}$")]
    name: str
    name_vi: str
    redirect_uris: tuple[str, ...]

    @field_validator("redirect_uris")
    @classmethod
    def _safe_uris(cls, uris: tuple[str, ...]) -> tuple[str, ...]:
        for uri in uris:
            parts = urlsplit(uri)
            loopback = parts.scheme == "http" and parts.hostname in _LOOPBACK and parts.port is None
            if (parts.scheme != "https" and not loopback) or parts.fragment or not parts.hostname:
                raise ValueError("a redirect URI is https, or http on a loopback address without a port")
        return uris

    def allows(self, redirect_uri: str) -> bool:
        """Compare exactly; a loopback address may add any port (RFC 8252, section 7.3)."""
        if redirect_uri in self.redirect_uris:
            return True
        match = _WITH_PORT.fullmatch(redirect_uri)
        return match is not None and f"{match[1]}{match[2] or ''}" in self.redirect_uris


_CLIENTS = TypeAdapter(tuple[Client, ...])


def load_clients(text: str) -> dict[str, Client]:
    """Read the JSON list of clients."""
    return {c.client_id: c for c in _CLIENTS.validate_python(json.loads(text))}


def find_client(runtime: Runtime, client_id: str) -> Client | None:
    """Return a registered client; the list is read once per process."""
    known: dict[str, Client] | None = runtime.extras.get("clients")
    if known is None:
        path = settings_of(runtime).clients_file
        packaged = files(__package__).joinpath("clients.json")
        text = path.read_text("utf-8") if path else packaged.read_text("utf-8")
        known = runtime.extras["clients"] = load_clients(text)
    return known.get(client_id)
