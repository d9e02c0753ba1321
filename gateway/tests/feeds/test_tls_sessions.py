"""An endpoint that was called lately is called with its last session, and nobody else is believed for it."""

import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway.authorities import authority
from gateway.feeds import calling, tls_sessions
from gateway.feeds.addresses import networks
from gateway.feeds.calling import Answer, Identity, Line
from ndx_contracts.signatures import Signer

pytestmark = pytest.mark.integration


@dataclass
class Endpoint:
    """An agency's endpoint that says of each call whether its session was taken up."""

    url: str
    context: ssl.SSLContext
    taken_up: list[bool] = field(default_factory=list)
    callers: list[Any] = field(default_factory=list)

    async def serve(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.taken_up.append(request.transport.get_extra_info("ssl_object").session_reused)
        self.callers.append(request.get_extra_info("peercert"))
        return web.Response(status=204)


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(calling, "_SESSIONS", tls_sessions.Sessions(made))
    return made


@pytest.fixture
def identity(tmp_path: Path, clock: Clock) -> Identity:
    del clock
    ca = authority.open_authority(tmp_path, "agency-ca", "agency CA")
    authority.issue_client(ca, tmp_path, "webhooks", "urn:ndx:gateway:webhooks")
    pair = tmp_path / "webhooks.crt", tmp_path / "webhooks.key"
    return Identity(
        *pair, tmp_path / "agency-ca.crt", Signer.__new__(Signer), networks(["127.0.0.0/8", "::1/128"]), 5.0
    )


@pytest.fixture
async def endpoint(identity: Identity, tmp_path: Path) -> AsyncIterator[Endpoint]:
    ca = authority.open_authority(tmp_path, "agency-ca", "agency CA")
    authority.issue_server(ca, tmp_path, "hook", ["localhost"])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "hook.crt", tmp_path / "hook.key")
    context.load_verify_locations(identity.exchange_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    made = Endpoint("", context)
    application = web.Application()
    application.router.add_route("*", "/hook", made.serve)
    runner = web.AppRunner(application, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    made.url = f"https://localhost:{runner.addresses[0][1]}/hook"
    try:
        yield made
    finally:
        await runner.cleanup()


async def call(
    endpoint: Endpoint, identity: Identity, *, ca_pem: str | None = None, fresh: bool = False
) -> Answer:
    """Call over a connection of its own."""
    async with Line(endpoint.url, ca_pem, identity, fresh=fresh) as line:
        return await line.look()


async def test_the_next_connection_takes_the_session_up(endpoint: Endpoint, identity: Identity) -> None:
    assert [(await call(endpoint, identity)).error for _ in range(3)] == [None, None, None]
    assert endpoint.taken_up == [False, True, True]
    assert endpoint.callers[0] == endpoint.callers[2] != {}, "the endpoint knows its caller all the same"


async def test_a_certificate_is_shown_again_after_ten_minutes(
    endpoint: Endpoint, identity: Identity, clock: Clock
) -> None:
    for clock.now in (0.0, 300.0, 599.0, 601.0, 900.0):
        await call(endpoint, identity)
    # What was taken up lasts no longer for it.
    assert endpoint.taken_up == [False, True, True, False, True]


async def test_a_ping_wants_to_see_the_certificate(endpoint: Endpoint, identity: Identity) -> None:
    await call(endpoint, identity)
    await call(endpoint, identity, fresh=True)
    assert endpoint.taken_up == [False, False]


async def test_another_ca_has_the_endpoint_looked_at_anew(
    endpoint: Endpoint, identity: Identity, tmp_path: Path
) -> None:
    await call(endpoint, identity)
    other = authority.open_authority(tmp_path, "other-ca", "other CA")
    theirs = authority.certificate_pem(other.certificate).decode()
    assert (await call(endpoint, identity, ca_pem=theirs)).error == "certificate-not-trusted"


async def test_our_renewed_certificate_is_shown(
    endpoint: Endpoint, identity: Identity, tmp_path: Path
) -> None:
    await call(endpoint, identity)
    ca = authority.open_authority(tmp_path, "agency-ca", "agency CA")
    authority.issue_client(ca, tmp_path, "renewed", "urn:ndx:gateway:webhooks")
    renewed = replace(identity, certificate=tmp_path / "renewed.crt", key=tmp_path / "renewed.key")
    await call(endpoint, renewed)
    assert endpoint.taken_up == [False, False]
    assert endpoint.callers[0]["serialNumber"] != endpoint.callers[1]["serialNumber"]


async def test_an_address_is_looked_at_all_the_same(endpoint: Endpoint, identity: Identity) -> None:
    await call(endpoint, identity)
    assert (await call(endpoint, replace(identity, listed=()))).error == "address-refused"
    assert endpoint.taken_up == [False]


def test_an_endpoint_that_breaks_off_where_a_session_is_taken_up_has_whole_handshakes() -> None:
    kept, context = tls_sessions.Sessions(), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    session: Any = object()
    kept.keep(context, "bank.example", session, None)
    assert kept.of(context, "bank.example") is not None
    kept.refuse(context, "bank.example")
    kept.keep(context, "bank.example", session, None)
    assert kept.of(context, "bank.example") is None
