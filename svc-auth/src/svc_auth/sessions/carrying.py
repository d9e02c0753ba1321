"""What the log-in page carries: all of a log-in that was begun, so that nothing of it need be kept."""

import base64
import binascii
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """What a relying party asked for, checked."""

    client_id: str
    redirect_uri: str
    relying_state: str
    nonce: str
    scope: str
    code_challenge: str
    wanted_acr: int
    language: str


@dataclass(frozen=True, slots=True)
class OpenLogin:
    """A log-in as the other slices see it."""

    id: UUID
    wanted: LoginRequest
    expires_at: datetime
    carried: str
    """All of it, sealed, as the page holds it."""


def pack(login_id: UUID, wanted: LoginRequest, *, expires_at: datetime) -> bytes:
    """Write down a log-in, to be sealed for one browser."""
    said = {"id": str(login_id), "expires_at": expires_at.timestamp(), "wanted": asdict(wanted)}
    return json.dumps(said, separators=(",", ":"), ensure_ascii=False).encode()


def unpack(packed: bytes, *, carried: str) -> OpenLogin:
    """Return the log-in that `pack` wrote down; only what was sealed by us comes here."""
    said = json.loads(packed)
    ends = datetime.fromtimestamp(said["expires_at"], UTC)
    return OpenLogin(UUID(said["id"]), LoginRequest(**said["wanted"]), ends, carried)


def written(sealed: bytes) -> str:
    """Return bytes as a form carries them."""
    return base64.urlsafe_b64encode(sealed).decode()


def read(carried: str) -> bytes:
    """Return the bytes that a form carries; none if it is nothing that `written` wrote."""
    try:
        return base64.b64decode(carried.encode(), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return b""
