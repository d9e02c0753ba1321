"""Receivers that refuse, hang, redirect, vanish or lie inside: what is sent again, and what never."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from gateway.authorities import files
from gateway.feeds import pushing
from gateway.feeds.addresses import networks
from gateway.feeds.calling import Line
from gateway.feeds.desk import desk_of
from gateway.feeds.messages import Letter
from ndx_chassis.app import Runtime

from ..conftest import DEAD, OTHER, death
from ..receivers import Receiver, let_time_pass, push, receiving
from .conftest import states

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestTrouble:
    async def test_what_is_refused_again_and_again_is_a_dead_letter_and_can_be_replayed(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do
    ):
        made, start = await hook(receiver.url, people=(DEAD, OTHER)), datetime.now(UTC)

        async def refuse(request: web.Request) -> web.Response:
            about = json.loads(await request.read())["data"]["personal_id"]
            return web.Response(status=400 if about == DEAD else 204)

        receiver.behave = refuse
        await deliver(death(version=2))
        await deliver(death(version=3))
        await deliver(death(OTHER))
        await push(runtime, made)
        # Its person's later event waits behind it; another person's does not.
        assert await states(ask, made) == [("PENDING", 1), ("PENDING", 0), ("DONE", 0)]
        for _ in range(2):
            await let_time_pass(runtime)
            await push(runtime, made, times=1)
        assert await states(ask, made) == [("DEAD", 3), ("PENDING", 0), ("DONE", 0)]
        assert (await ask("GET", f"/subscriptions/{made}"))["dead"] == 1
        receiver.behave = None
        replay = {"since": start.isoformat(), "dead_only": True}
        assert (await ask("POST", f"/subscriptions/{made}/replays", replay))["replayed"] == 1
        await let_time_pass(runtime)
        await push(runtime, made)
        assert [state for state, _ in await states(ask, made)] == ["DONE"] * 3

    async def test_pauses_grow_with_jitter_up_to_an_hour(self):
        for attempt in range(1, 30):
            whole = min(5 * 2 ** (attempt - 1), 3600)
            pauses = {pushing.delay_after(attempt, 5).total_seconds() for _ in range(20)}
            assert all(0.8 * whole <= pause <= 1.2 * whole for pause in pauses)
            assert len(pauses) > 1

    async def test_a_vanished_endpoint_is_told_nothing_and_nobody_is_told_of_a_disclosure(
        self, tmp_path: Path, state_dir: Path, hook: Do, deliver: Do, runtime: Runtime, ask: Do, disclosed: Do
    ):
        async with receiving(tmp_path, state_dir, "gone") as gone:
            made = await hook(gone.url, people=(DEAD, OTHER))
        await deliver(death())
        for _ in range(3):
            await push(runtime, made)
            await let_time_pass(runtime)
        await deliver(death(OTHER))
        await push(runtime, made)
        # Only the first event was on its way before it was known that nobody is there.
        assert [one["subjects"] for one in await disclosed()] == [[DEAD]]
        shown = await ask("GET", f"/subscriptions/{made}")
        assert (shown["waiting"], shown["dead"], shown["failures"]) == (2, 0, 4)
        attempts = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert {(one["status"], one["error"]) for one in attempts} == {(None, "not-reachable")}

    async def test_redirects_are_not_followed(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do
    ):
        made = await hook(receiver.url)

        async def elsewhere(_request: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": receiver.url})

        receiver.behave = elsewhere
        await deliver(death())
        await push(runtime, made)
        assert len(receiver.got) == 1
        (attempt,) = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert (attempt["status"], attempt["error"]) == (307, "redirect-refused")

    @pytest.mark.parametrize(
        ("kind", "webhook_seconds"), [("hangs", 0.7), ("slow", 0.7), ("endless", 60.0), ("large", 60.0)]
    )
    async def test_no_endpoint_holds_the_exchange_longer_than_a_call_may_last(
        self, kind: str, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do
    ):
        made = await hook(receiver.url)

        async def behave(request: web.Request) -> web.StreamResponse:
            if kind == "hangs":
                await asyncio.sleep(30)
            reply = web.StreamResponse()
            if kind == "slow":
                # One byte of the status line at a time.
                for byte in b"HTTP/1.1 200 OK\r\nX: 1\r\n\r\n":
                    assert request.transport is not None
                    request.transport.write(bytes([byte]))
                    await asyncio.sleep(0.2)
            await reply.prepare(request)
            with contextlib.suppress(ConnectionError):
                for _ in range(10_000):
                    await reply.write(b"x" * (65_536 if kind == "large" else 1))
                    await asyncio.sleep(0 if kind == "large" else 0.05)
            return reply

        receiver.behave = behave
        await deliver(death())
        async with asyncio.timeout(15):
            await push(runtime, made)
        (attempt,) = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        if kind in {"hangs", "slow"}:
            assert (attempt["status"], attempt["error"]) == (None, "timeout")
            assert (await ask("GET", f"/subscriptions/{made}"))["waiting"] == 1
        else:
            # It said that it has the event; what it says beyond that is not listened to.
            assert attempt["delivered"]

    async def test_a_certificate_of_another_authority_is_not_trusted(
        self, tmp_path: Path, state_dir: Path, hook: Do, deliver: Do, runtime: Runtime, ask: Do
    ):
        stranger = tmp_path / "stranger"
        files.make_files(stranger, [])
        (stranger / "gateway-ca.crt").write_bytes((state_dir / "gateway-ca.crt").read_bytes())
        async with receiving(tmp_path, stranger, "strange") as other:
            made = await hook(other.url)
            await deliver(death())
            await push(runtime, made)
            assert other.got == []
        (attempt,) = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert attempt["error"] == "certificate-not-trusted"


class TestInnerAddresses:
    async def test_a_name_that_leads_inside_is_refused_at_the_call(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do
    ):
        made = await hook(receiver.url)
        desk = desk_of(runtime)
        assert desk.identity is not None
        # As without any listed network: the name `localhost` still resolves, and only then is refused.
        object.__setattr__(desk.identity, "listed", networks([]))
        await deliver(death())
        await push(runtime, made)
        assert receiver.got == []
        (attempt,) = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert attempt["error"] == "address-refused"

    @pytest.mark.parametrize("host", ["10.0.0.1", "[fc00::1]", "169.254.169.254"])
    async def test_an_inner_address_is_refused_when_it_is_named(self, subscribe: Do, host: str):
        refused = await subscribe(422, delivery="PUSH", endpoint={"url": f"https://{host}/hook"})
        assert refused["code"] == "feed-endpoint-refused"

    @pytest.mark.parametrize("url", ["http://bank.example/x", "https://user:pw@bank.example/", "ftp://x/"])
    async def test_only_https_without_credentials(self, subscribe: Do, url: str):
        assert (await subscribe(422, delivery="PUSH", endpoint={"url": url}))["code"] == "invalid-input"

    async def test_a_ca_that_is_none(self, subscribe: Do):
        endpoint = {"url": "https://bank.example/hook", "ca_pem": "nonsense"}
        refused = await subscribe(422, delivery="PUSH", endpoint=endpoint)
        assert refused["code"] == "feed-endpoint-refused"

    async def test_a_literal_address_is_checked_at_the_call_too(self, runtime: Runtime, receiver: Receiver):
        identity = desk_of(runtime).identity
        assert identity is not None
        object.__setattr__(identity, "listed", networks([]))
        async with Line(f"https://127.0.0.1:{receiver.port}/hook", None, identity) as line:
            assert (
                await line.post(Letter(b"{}", {"Content-Type": "application/json"}))
            ).error == "address-refused"
