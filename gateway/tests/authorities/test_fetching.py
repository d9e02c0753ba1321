"""Revocation lists that the exchange fetches by itself: from a real server, well and badly behaved."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from gateway.authorities import anchors, authority, fetching, repository
from gateway.authorities import outside as outside_lists
from gateway.authorities import service as authorities
from gateway.rotation import jobs
from ndx_chassis.app import Runtime
from ndx_testing.authorities import make_authority
from sqlalchemy import text

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


@pytest.fixture
def put(bus: Any, client: httpx.AsyncClient, as_operator: Callable[..., dict[str, str]]) -> Do:
    async def send(who: str, path: str, body: Any, status: int = 200) -> Any:
        reply = await client.put(path, json=body, headers=as_operator(*who.split(":")))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


def crl(found: authority.Authority, *serials: str, number: int = 1) -> str:
    revoked = [authority.Revoked(s, datetime.now(UTC) - timedelta(hours=1)) for s in serials]
    return authority.list_pem(authority.revocation_list(found, revoked, number=number))


def named(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(a for a in found["items"] if a["name"] == name)


@dataclass
class Place:
    """Where an outside authority publishes its list."""

    url: str
    body: bytes = b""
    status: int = 200
    asked: int = 0
    holds: bool = False


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    found = Place("")
    over = asyncio.Event()

    async def answer(_: web.Request) -> web.StreamResponse:
        found.asked += 1
        if found.holds:
            await over.wait()
        away = {"Location": found.url} if found.status == 302 else {}
        return web.Response(body=found.body, status=found.status, headers=away)

    application = web.Application()
    application.router.add_get("/list.crl", answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    found.url = f"http://127.0.0.1:{port}/list.crl"
    yield found
    over.set()
    await runner.cleanup()


class TestFetchedLists:
    PATH = "/v1/authorities/vnpt-ca"

    @pytest.fixture
    def outside(self) -> authority.Authority:
        return make_authority()

    @pytest.fixture
    def allow(self, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Do:
        def change(**settings: Any) -> None:
            changed = {"revocation_fetch_networks": ("127.0.0.0/8",)} | settings
            monkeypatch.setattr(runtime, "settings", runtime.settings.model_copy(update=changed))

        return change

    @pytest.fixture
    async def source(
        self, bus: Any, post: Do, put: Do, place: Place, outside: authority.Authority, allow: Do
    ) -> Do:
        """Name the place, and return what fetches from it and tells how that went."""
        allow()
        pem = authority.certificate_pem(outside.certificate).decode()
        anchor = {"name": "vnpt-ca", "pem": pem, "may_certify": ["B01"]}
        await post("NDX:an", "/v1/authorities", anchor, 201)
        await put("NDX:an", f"{self.PATH}/revocation-source", {"url": place.url})
        place.body = crl(outside, "aa", number=4).encode()
        return put

    @pytest.fixture
    def fetched(self, runtime: Runtime, read: Do, source: Any) -> Do:
        async def fetch() -> Any:
            async with runtime.sessions() as session, session.begin():
                await session.execute(text("UPDATE revocation_sources SET tried_at = NULL"))
            await jobs.fetch_lists(runtime)
            return named(await read("NDX:an", "/v1/authorities"), "vnpt-ca")

        return fetch

    async def test_the_first_one_makes_the_authority_trusted(self, fetched: Do, place: Place):
        found = await fetched()
        assert (found["state"], found["revocation_list"]["number"]) == ("TRUSTED", 4)
        assert (found["revocation_source"]["error"], place.asked) == (None, 1)
        assert found["revocation_source"]["fetched_at"] is not None

    async def test_a_number_of_twenty_bytes_is_taken(
        self, fetched: Do, place: Place, outside: authority.Authority, put: Do, session: Any
    ):
        large = 2**158 + 1
        place.body = crl(outside, "aa", number=large).encode()
        found = await fetched()
        assert (found["state"], found["revocation_list"]["number"]) == ("TRUSTED", large)
        ends = text("UPDATE revocation_lists SET next_update = now() + interval '1 hour'")
        await session.execute(ends)
        await session.commit()
        newer = {"pem": crl(outside, "aa", number=large + 1)}
        assert (await put("NDX:an", f"{self.PATH}/revocation-list", newer))["revocation_list"]["entries"] == 1
        older = {"pem": crl(outside, number=large)}
        refused = await put("NDX:an", f"{self.PATH}/revocation-list", older, 422)
        assert refused["code"] == "revocation-list-refused"

    async def test_what_crashes_on_one_is_told_and_tried_again_like_any_failure(
        self, fetched: Do, place: Place, monkeypatch: pytest.MonkeyPatch
    ):
        async def crash(*_: Any, **__: Any) -> None:
            raise OverflowError

        with monkeypatch.context() as patched:
            patched.setattr(outside_lists, "take_fetched", crash)
            assert (await fetched())["revocation_source"]["error"] == "unreadable"
        assert (await fetched())["revocation_source"]["error"] is None

    async def test_a_try_at_a_former_place_says_nothing_of_the_new_one(
        self, fetched: Do, place: Place, put: Do, runtime: Runtime, read: Do
    ):
        await put("NDX:an", f"{self.PATH}/revocation-source", {"url": f"{place.url}?new"})
        async with runtime.sessions() as session, session.begin():
            await outside_lists.note_fetch(session, name="vnpt-ca", url=place.url, error="timeout")
        source = named(await read("NDX:an", "/v1/authorities"), "vnpt-ca")["revocation_source"]
        assert (source["tried_at"], source["error"]) == (None, None)

    async def test_lists_come_in_der_form_too_and_revocations_hold_on_open_connections(
        self, fetched: Do, place: Place, outside: authority.Authority, runtime: Runtime
    ):
        await fetched()
        newer = x509.load_pem_x509_crl(crl(outside, "aa", "bb", number=5).encode())
        place.body = newer.public_bytes(serialization.Encoding.DER)
        assert (await fetched())["revocation_list"]["entries"] == 2
        async with runtime.sessions() as session:
            assert (await authorities.trust(session)).issuers[-1].late == ("bb",)

    async def test_the_same_list_again_is_no_change(self, fetched: Do, session: Any):
        for _ in range(3):
            await fetched()
        taken = text("SELECT count(*) FROM audit_entries WHERE action = 'revocation_list_taken'")
        assert await session.scalar(taken) == 1

    async def test_an_older_a_forged_and_an_ended_one_are_not_taken(
        self, fetched: Do, place: Place, outside: authority.Authority
    ):
        await fetched()
        ended = authority.list_pem(authority.revocation_list(outside, [], number=9, days=-1))
        for body in (crl(outside, number=3), crl(make_authority(), number=9), ended, "nothing"):
            place.body = body.encode()
            found = await fetched()
            assert found["revocation_source"]["error"] == "revocation-list-refused"
            assert (found["revocation_list"]["number"], found["state"]) == (4, "TRUSTED")

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"status": 503}, "status-503"),
            ({"status": 302}, "status-302"),
            ({"body": b"x" * 3000}, "too-large"),
            ({"holds": True}, "timeout"),
        ],
    )
    async def test_what_the_place_does_wrong_is_shown_and_changes_nothing(
        self, fetched: Do, place: Place, allow: Do, change: dict[str, Any], error: str
    ):
        await fetched()
        allow(
            revocation_fetch_most_bytes=2000,
            revocation_fetch_limit_seconds=0.3 if error == "timeout" else 60.0,
        )
        for name, value in change.items():
            setattr(place, name, value)
        found = await fetched()
        assert (found["revocation_source"]["error"], found["revocation_list"]["number"]) == (error, 4)

    async def test_while_a_long_list_is_read_everybody_else_is_answered(
        self, fetched: Do, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
    ):
        begun, answered = asyncio.Event(), threading.Event()
        loop, read = asyncio.get_running_loop(), anchors.read_list

        def read_long(*given: Any) -> Any:
            loop.call_soon_threadsafe(begun.set)
            assert answered.wait(20), "nobody was answered meanwhile"
            return read(*given)

        monkeypatch.setattr(anchors, "read_list", read_long)
        fetching = asyncio.create_task(fetched())
        await begun.wait()
        async with runtime.sessions() as session:
            await session.execute(text("SELECT 1"))
        answered.set()
        assert (await fetching)["revocation_source"]["error"] is None

    async def test_of_too_many_late_revocations_the_newest_hold_on_open_connections(
        self,
        fetched: Do,
        place: Place,
        outside: authority.Authority,
        runtime: Runtime,
        monkeypatch: pytest.MonkeyPatch,
    ):
        monkeypatch.setattr(repository, "MOST_LATE", 3)
        found: tuple[str, ...] = ()
        for number, serials in enumerate((["aa"], ["aa", "bb", "cc"], ["aa", "bb", "cc", "dd", "ee"]), 4):
            place.body = crl(outside, *serials, number=number).encode()
            await fetched()
            async with runtime.sessions() as session:
                found = (await authorities.trust(session)).issuers[-1].late
        assert (len(found), {"dd", "ee"} <= set(found)) == (3, True)

    async def test_inner_addresses_are_not_called_unless_listed(self, fetched: Do, place: Place, allow: Do):
        allow(revocation_fetch_networks=())
        assert (await fetched())["revocation_source"]["error"] == "address-refused"
        assert place.asked == 0

    async def test_it_is_asked_once_an_hour_and_after_a_failure_sooner(
        self, fetched: Do, place: Place, runtime: Runtime
    ):
        async def minutes_later(minutes: int) -> int:
            async with runtime.sessions() as session, session.begin():
                past = "UPDATE revocation_sources SET tried_at = now() - make_interval(mins => :minutes)"
                await session.execute(text(past), {"minutes": minutes})
            await jobs.fetch_lists(runtime)
            return place.asked

        await fetched()
        assert [await minutes_later(m) for m in (6, 59, 61)] == [1, 1, 2]
        place.status = 500
        assert [await minutes_later(m) for m in (61, 4, 6)] == [3, 3, 4]

    async def test_without_a_place_nobody_is_asked_and_only_operators_name_one(
        self, fetched: Do, place: Place, put: Do
    ):
        path = f"{self.PATH}/revocation-source"
        refused = await put("NDX:mai", path, {"url": place.url}, 403)
        assert refused["code"] == "role-missing"
        for wrong in ("ftp://ca.vn/list", "https://me:secret@ca.vn/list", "file:///etc/passwd"):
            assert (await put("NDX:an", path, {"url": wrong}, 422))["code"] == "invalid-input"
        assert await put("NDX:an", "/v1/authorities/agency-ca/revocation-source", {"url": place.url}, 404)
        assert (await put("NDX:an", path, {"url": None}))["revocation_source"] is None
        await fetched()
        assert place.asked == 0

    async def test_how_long_lists_are_good_for_is_a_metric(self, fetched: Do, runtime: Runtime):
        await fetched()
        async with runtime.sessions() as session:
            (metric,) = await authorities.lists_end_in(runtime, session)
        left = {sample.labels["ndx_authority"]: sample.value for sample in metric.samples}
        assert 29 < left["vnpt-ca"] / 86_400 < 30


async def test_names_that_hang_keep_nobody_else_from_a_thread(monkeypatch: pytest.MonkeyPatch):
    known, over = socket.getaddrinfo, threading.Event()

    def resolve(host: str, *rest: Any) -> Any:
        if host.endswith(".example"):
            over.wait(20)
            raise socket.gaierror
        return known(host, *rest)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    urls = [f"http://ca-{n}.example/list.crl" for n in range(40)]
    fetches = [
        asyncio.create_task(fetching.fetch(url, inner=(), seconds=60.0, most_bytes=10)) for url in urls
    ]
    try:
        await asyncio.sleep(0.2)
        async with asyncio.timeout(10):
            assert await asyncio.to_thread(lambda: "answered") == "answered"
    finally:
        over.set()
        await asyncio.gather(*fetches, return_exceptions=True)
