"""What a line of Envoy's access log says of a call; never whose data it was about."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

_DENIED = re.compile(r"rbac_access_denied_matched_policy\[([a-z-]+)\]")
_AGREEMENT = re.compile(r"DSA-[A-Z0-9._]+-[0-9]+")
_CALLER = re.compile(r"urn:ndx:(agency|operator):([A-Z][A-Z0-9.]*):([a-z0-9._-]+)")
_BAD_REQUEST = 400
_BY_STATUS = {
    404: "operation-unknown",
    405: "method-not-allowed",
    408: "request-timeout",
    413: "payload-too-large",
    429: "burst-exceeded",
    431: "headers-too-large",
    503: "provider-unavailable",
    504: "provider-timeout",
}
_MOST_TEXT = 80


@dataclass(frozen=True, slots=True)
class Call:
    """One call, both sides of it in one record."""

    request_id: str
    at: datetime
    """When it came in."""
    agency: str | None
    system: str | None
    agreement: str | None
    service: str | None
    operation: str | None
    """None when no operation was found, or it was refused before one was looked for."""
    purpose: str | None
    method: str | None
    status: int
    """0 when the caller went away before the answer."""
    refusal: str | None
    """The code with which the gateway refused; what a provider refuses with is the provider's."""
    answered_by: str
    """GATEWAY or PROVIDER: whose answer it was."""
    duration_ms: int
    provider_ms: int | None
    request_out_ms: int | None
    """From the call's arrival until it was passed on."""
    bytes_in: int
    bytes_out: int
    trace_id: str | None
    line_digest: int
    """By which the line is known again, whoever brings it. Two calls have not the same times and ids."""


def refusal_of(status: int, reason: str) -> str | None:
    """Return the code of a refusal by the gateway itself; None for a provider's answer."""
    if reason == "via_upstream":
        return None
    denied = _DENIED.match(reason)
    if denied:
        return denied[1]
    if reason.startswith("jwt_authn_access_denied"):
        return "token-missing" if "missing" in reason else "token-invalid"
    if reason == "rate_limited_by_quota":
        return "daily-quota-exceeded"
    if "overflow" in reason:
        return "circuit-open"
    return _BY_STATUS.get(status, "invalid-request" if status >= _BAD_REQUEST else None)


def call_of(line: bytes) -> Call | None:
    """Return what a line says, or None when it is no call: a failed handshake, or half a line."""
    try:
        said: Mapping[str, Any] = json.loads(line)
        at = datetime.fromisoformat(str(said["time"]))
        status = int(said["status"] or 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    request_id = _text(said.get("request_id"))
    if request_id is None:
        return None
    reason = str(said.get("reason") or "")
    refusal = refusal_of(status, reason)
    if refusal == "daily-quota-exceeded" and str(said.get("quota_until") or "0") != "0":
        refusal = "monthly-quota-exceeded"
    caller = _CALLER.fullmatch(str(said.get("caller") or ""))
    operation = _text(said.get("operation"))
    service = operation.partition(".")[0] if operation and "." in operation else None
    agreement = _text(said.get("agreement"))
    return Call(
        request_id=request_id,
        at=at,
        agency=caller[2] if caller else None,
        system=caller[3] if caller and caller[1] == "agency" else None,
        # What refused stands in the agreement's place when no agreement let the call through.
        agreement=agreement if agreement and _AGREEMENT.fullmatch(agreement) else None,
        service=service,
        operation=operation if service else None,
        purpose=_text(said.get("purpose")),
        method=_text(said.get("method")),
        status=status,
        refusal=refusal,
        answered_by="PROVIDER" if reason == "via_upstream" else "GATEWAY",
        duration_ms=_whole(said.get("duration_ms")) or 0,
        provider_ms=_whole(said.get("upstream_ms")),
        request_out_ms=_whole(said.get("request_out_ms")),
        bytes_in=_whole(said.get("bytes_in")) or 0,
        bytes_out=_whole(said.get("bytes_out")) or 0,
        trace_id=_text(said.get("trace_id")),
        line_digest=int.from_bytes(blake2b(line.strip(), digest_size=8).digest(), signed=True),
    )


def _text(value: object) -> str | None:
    return str(value)[:_MOST_TEXT] if value not in {None, "", "-"} else None


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float)) and value >= 0 else None
