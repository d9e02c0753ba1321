"""Authorities and callers at a real Envoy."""

import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from gateway.authorities import authority
from gateway.authorities.anchors import subject_as_envoy_writes_it
from gateway.authorities.authority import Authority
from gateway.authorities.service import Issuer
from ndx_testing.bus import NO_HANDSHAKE, PERSON, Bus
from ndx_testing.envoy import until

PURPOSE = {"NDX-Purpose": "SOCIAL_INSURANCE"}
G03 = "urn:ndx:agency:G03:insurance-link"


def named(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in parts])


@dataclass
class Trusted:
    """An authority of a test: for whom it may speak, and what it has revoked."""

    ca: Authority
    may_certify: tuple[str, ...] = ()
    revoked: tuple[str, ...] = ()
    late: tuple[str, ...] = ()
    list_days: float = 30
    has_list: bool = True

    def list_pem(self) -> str:
        if not self.has_list:
            return ""
        revoked = [authority.Revoked(s, datetime.now(UTC) - timedelta(hours=1)) for s in self.revoked]
        return authority.list_pem(authority.revocation_list(self.ca, revoked, days=self.list_days))

    def issuer(self) -> Issuer:
        subject = subject_as_envoy_writes_it(self.ca.certificate.subject)
        return Issuer(subject, self.may_certify, self.late)


def trusting(live: Bus, *found: Trusted) -> dict[str, Any]:
    """Return the change of the snapshot that makes exactly these trusted."""
    pem = "".join(authority.certificate_pem(t.ca.certificate).decode() for t in found)
    material = replace(live.base.material, agency_ca=pem, crl="".join(t.list_pem() for t in found))
    return {"material": material, "issuers": tuple(t.issuer() for t in found)}


@pytest.fixture
def ours(live: Bus) -> Trusted:
    return Trusted(live.pki.agency)


def caller(live: Bus, pair: tuple[Path, Path], *, port: int | None = None) -> httpx.AsyncClient:
    context = ssl.create_default_context(cafile=str(live.pki.folder / "agency-ca.crt"))
    context.load_cert_chain(*pair)
    url = f"https://localhost:{port or live.settings.listener_port}"
    return httpx.AsyncClient(base_url=url, verify=context, timeout=60, trust_env=False)


async def code_of(client: httpx.AsyncClient) -> str:
    answer = await client.get(PERSON, headers=PURPOSE)
    return "200" if answer.status_code == 200 else str(answer.json()["code"])


async def comes_to(client: httpx.AsyncClient, code: str) -> bool:
    """Wait until calls on this connection are answered so: workers follow Envoy's word by a moment."""

    async def now() -> bool:
        return await code_of(client) == code

    return bool(await until(now, seconds=5, what=code))


async def cannot_connect(live: Bus, pair: tuple[Path, Path]) -> bool:
    async with caller(live, pair) as client:
        try:
            await client.get(PERSON, headers=PURPOSE)
        except NO_HANDSHAKE:
            return True
    return False
