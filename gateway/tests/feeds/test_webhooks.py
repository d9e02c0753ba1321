"""Feeds by push: real TLS receivers that answer, refuse, hang, redirect and vanish."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from gateway.authorities import files
from gateway.feeds import leases, pushing, workers
from gateway.feeds.addresses import networks
from gateway.feeds.calling import TAG, Answer, Line
from gateway.feeds.desk import desk_of
from gateway.feeds.messages import Letter
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.signatures import keys_of, verify
from sqlalchemy import text

from .conftest import DEAD, FOLLOW, GROUPS, OTHER, death
from .receivers import Receiver, let_time_pass, push, receiving

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


@pytest.fixture
def webhook_seconds() -> float:
    """Return how long a call may last: long, except where a test is about just that."""
    return 60.0


@pytest.fixture
def service_settings(
    service_settings: dict[str, Any], state_dir: Path, webhook_seconds: float
) -> dict[str, Any]:
    for name in ("webhooks.crt", "webhooks.key", "gateway-ca.crt"):
        (service_settings["state_dir"] / name).symlink_to(state_dir / name)
    networks = ("127.0.0.0/8", "::1/128")
    return service_settings | {"webhook_networks": networks, "webhook_seconds": webhook_seconds}


@pytest.fixture
async def receiver(tmp_path: Path, state_dir: Path) -> AsyncIterator[Receiver]:
    async with receiving(tmp_path, state_dir, "receiver") as made:
        yield made


@pytest.fixture
def hook(subscribe: Do, ask: Do) -> Do:
    """Make a push subscription with interest in the dead: `await hook(url)`; its id."""

    async def make(url: str, *, people: tuple[str, ...] = (DEAD,), several: int = 1, **retry: int) -> str:
        retries = {"first_delay_seconds": 1, "max_attempts": 3} | retry
        endpoint = {"url": url, "retry": retries, "max_events": several}
        made: str = await subscribe(delivery="PUSH", endpoint=endpoint)
        interests = {"people": [{"personal_id": p} for p in people]}
        await ask("POST", f"/subscriptions/{made}/interests", interests)
        return made

    return make


async def states(ask: Do, identifier: str) -> list[tuple[str, int]]:
    items = (await ask("GET", f"/subscriptions/{identifier}/event-states"))["items"]
    return [(one["state"], one["attempts"]) for one in items]


class TestDelivery:
    async def test_an_event_arrives_signed_by_the_exchange_under_its_own_certificate(
        self, receiver: Receiver, hook: Do, ask: Do, deliver: Do, runtime: Runtime, disclosed: Do
    ):
        made, event_id = await hook(receiver.url), new_id()
        await deliver(death(), event_id=event_id)
        assert await disclosed() == []
        await push(runtime, made)
        (event,) = receiver.got
        assert (event["id"], event["type"]) == (str(event_id), "population.person-deceased.v1")
        assert event["data"]["died_on"] == "2026-11-20"
        keys = keys_of(await ask("GET", "/signing-keys"))
        assert verify(receiver.requests[0], keys, tag=TAG) in keys
        names = [value for kind, value in receiver.callers[0]["subjectAltName"] if kind == "URI"]
        assert names == ["urn:ndx:gateway:webhooks"]
        assert await states(ask, made) == [("DONE", 0)]
        (attempt,) = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert (attempt["status"], attempt["error"], attempt["delivered"]) == (204, None, True)
        (record,) = await disclosed()
        assert (record["subjects"], record["agency"], record["system"]) == ([DEAD], "B01", "core")

    async def test_the_record_is_there_before_the_event_leaves(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do
    ):
        made, seen = await hook(receiver.url), []

        async def look(_request: web.Request) -> web.Response:
            seen.append(len(await disclosed()))
            return web.Response()

        receiver.behave = look
        await deliver(death())
        await push(runtime, made)
        assert seen == [1]

    async def test_a_repeated_attempt_leaves_no_second_record_and_keeps_the_events_id(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do, ask: Do
    ):
        made = await hook(receiver.url)

        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=503, headers={"Retry-After": "120"})

        receiver.behave = busy
        await deliver(death())
        await push(runtime, made)
        shown = await ask("GET", f"/subscriptions/{made}")
        wait = datetime.fromisoformat(shown["next_attempt_at"]) - datetime.now(UTC)
        assert wait > timedelta(seconds=100)
        receiver.behave = None
        await let_time_pass(runtime)
        await push(runtime, made)
        assert len(receiver.ids) == 2
        assert len(set(receiver.ids)) == 1
        assert receiver.looks == 1
        assert len(await disclosed()) == 1
        assert (await ask("GET", f"/subscriptions/{made}"))["failures"] == 0

    async def test_a_repeated_attempt_gives_no_more_than_its_record_says(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do, session: Any
    ):
        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=503)

        async def agree(groups: list[str]) -> None:
            change = text(
                "UPDATE data_sharing_agreements"
                " SET terms = jsonb_set(terms, '{operations}', CAST(:o AS jsonb))"
            )
            operations = json.dumps([{"operation": FOLLOW, "field_groups": groups}])
            await session.execute(change, {"o": operations})
            await session.commit()

        made = await hook(receiver.url)
        await deliver(death())
        receiver.behave = busy
        await agree(["death_or_missing_date"])
        await push(runtime, made)
        receiver.behave = None
        await agree(GROUPS)
        await let_time_pass(runtime)
        await push(runtime, made)
        assert [one["data"] for one in receiver.got] == [{"died_on": "2026-11-20"}] * 2
        (record,) = await disclosed()
        assert record["field_groups"] == ["death_or_missing_date"]

    async def test_a_crash_in_the_middle_of_a_call_repeats_the_event_and_not_the_record(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, disclosed: Do
    ):
        made = await hook(receiver.url)
        await deliver(death())
        (errand,) = (await pushing.exchange(runtime, new_id(), (), [UUID(made)])).errands
        assert errand.parcel is not None
        # The process dies here. Nobody else takes the event meanwhile; later it is tried again.
        await push(runtime, made)
        assert receiver.got == []
        await let_time_pass(runtime)
        await push(runtime, made)
        assert receiver.ids == [str(event_id) for _, event_id in errand.parcel.events]
        assert len(await disclosed()) == 1

    async def test_ping_sends_an_event_about_nobody_and_says_what_came_back(
        self, receiver: Receiver, hook: Do, ask: Do, disclosed: Do
    ):
        made = await hook(receiver.url)
        pinged = await ask("POST", f"/subscriptions/{made}/pings")
        assert (pinged["status"], pinged["delivered"]) == (204, True)
        assert [one["type"] for one in receiver.got] == ["ndx.feed-ping.v1"]
        assert len((await ask("GET", f"/subscriptions/{made}/attempts"))["items"]) == 1
        assert await disclosed() == []

    async def test_webhooks_of_another_agency_that_hang_do_not_keep_it_waiting(
        self, receiver: Receiver, hook: Do, ask: Do, runtime: Runtime
    ):
        made = await hook(receiver.url)
        places = desk_of(runtime).pings("G01")
        while not places.locked():
            await places.acquire()
        async with asyncio.timeout(10):
            assert (await ask("POST", f"/subscriptions/{made}/pings"))["delivered"]

    async def test_a_pull_subscription_has_no_webhook(self, feed: str, ask: Do, hook: Do, receiver: Receiver):
        refused = await ask("POST", f"/subscriptions/{feed}/pings", None, 409)
        assert refused["code"] == "feed-delivery-mismatch"
        refused = await ask("GET", f"/subscriptions/{await hook(receiver.url)}/events", None, 409)
        assert refused["code"] == "feed-delivery-mismatch"

    async def test_a_suspended_agreement_stops_it_at_once(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, post: Do, agreement: str
    ):
        made = await hook(receiver.url)
        await deliver(death())
        await post("NDX:an", f"/v1/agreements/{agreement}/suspend", {"reason": "an inquiry"})
        await push(runtime, made)
        assert receiver.got == []
        await post("NDX:an", f"/v1/agreements/{agreement}/resume", {"reason": "settled"})
        await let_time_pass(runtime)
        await push(runtime, made)
        assert len(receiver.got) == 1


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


@contextlib.asynccontextmanager
async def hanging(
    receiver: Receiver, runtime: Runtime, asked: list[web.Request] | None = None
) -> AsyncIterator[asyncio.Event]:
    """Let a worker call a webhook that does not answer before the block ends; the event says that it did."""
    called, released = asyncio.Event(), asyncio.Event()

    async def hang(request: web.Request) -> web.Response:
        if asked is not None:
            asked.append(request)
        called.set()
        await released.wait()
        return web.Response()

    receiver.behave = hang
    working = asyncio.create_task(workers.push_for_ever(runtime))
    try:
        async with asyncio.timeout(30):
            yield called
    finally:
        released.set()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


class TestFairness:
    async def test_one_that_hangs_does_not_delay_one_that_works(
        self, tmp_path: Path, state_dir: Path, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime
    ):
        async with receiving(tmp_path, state_dir, "hanging") as hanging:
            asked, released = asyncio.Event(), asyncio.Event()

            async def hang(_request: web.Request) -> web.Response:
                asked.set()
                await released.wait()
                return web.Response(status=503)

            arrived = asyncio.Semaphore(0)

            async def take(_request: web.Request) -> web.Response:
                arrived.release()
                return web.Response()

            hanging.behave, receiver.behave = hang, take
            identity = desk_of(runtime).identity
            object.__setattr__(identity, "seconds", 60.0)
            await hook(hanging.url)
            await hook(receiver.url)
            working = asyncio.create_task(workers.push_for_ever(runtime))
            try:
                for version in range(5):
                    await deliver(death(version=version))
                async with asyncio.timeout(20):
                    await asked.wait()
                async with asyncio.timeout(20):
                    for _ in range(5):
                        await arrived.acquire()
                # The other one still hangs in its first call.
                assert len(hanging.got) == 1
                assert not released.is_set()
            finally:
                released.set()
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)


class TestWorkers:
    async def test_two_processes_never_send_to_one_webhook_at_once(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do, session: Any
    ):
        made = await hook(receiver.url, people=(DEAD, OTHER))
        await deliver(death(DEAD))
        await deliver(death(OTHER))
        first, second, wanted = new_id(), new_id(), [UUID(made)]
        (taken,) = (await pushing.exchange(runtime, first, (), wanted)).errands
        assert (await pushing.exchange(runtime, second, (), wanted)).errands == []
        # The first one is believed dead, and then comes back with an answer.
        await session.execute(text("UPDATE feed_subscriptions SET leased_until = now()"))
        await session.commit()
        (again,) = (await pushing.exchange(runtime, second, (), wanted)).errands
        assert taken.parcel is not None
        assert again.parcel is not None
        assert again.parcel.events == taken.parcel.events
        late = pushing.Outcome(UUID(made), taken.parcel, Answer(503, "status-503", 5))
        assert (await pushing.exchange(runtime, first, [late], wanted)).errands == []
        shown = await ask("GET", f"/subscriptions/{made}")
        assert (shown["failures"], shown["waiting"]) == (0, 2)
        told = pushing.Outcome(UUID(made), again.parcel, Answer(204, None, 5))
        (other,) = (await pushing.exchange(runtime, second, [told], wanted)).errands
        assert other.parcel is not None
        assert other.parcel.events != again.parcel.events
        assert await states(ask, made) == [("DONE", 0), ("PENDING", 0)]
        assert len((await ask("GET", f"/subscriptions/{made}/attempts"))["items"]) == 2

    async def test_after_a_crash_another_process_may_send_within_seconds(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, session: Any
    ):
        made = await hook(receiver.url)
        await deliver(death())
        crashed = await pushing.exchange(runtime, new_id(), (), [UUID(made)])
        assert len(crashed.errands) == 1
        left = await session.scalar(text("SELECT leased_until - now() FROM feed_subscriptions"))
        assert left <= timedelta(seconds=leases.LEASE_SECONDS) <= timedelta(seconds=6)

    @pytest.mark.parametrize("failed_before", [False, True], ids=["at once", "after a look"])
    async def test_a_call_that_lasts_keeps_its_webhook(
        self,
        receiver: Receiver,
        hook: Do,
        deliver: Do,
        runtime: Runtime,
        session: Any,
        monkeypatch: pytest.MonkeyPatch,
        failed_before: bool,
    ):
        monkeypatch.setattr(leases, "BEAT_SECONDS", 0.1)
        made = await hook(receiver.url)
        if failed_before:
            await session.execute(text("UPDATE feed_subscriptions SET failures = 1"))
            await session.commit()
        await deliver(death())
        async with hanging(receiver, runtime) as called:
            await called.wait()
            first = await self.leased_until(session)
            while await self.leased_until(session) == first:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert (await pushing.exchange(runtime, new_id(), (), [UUID(made)])).errands == []
        assert len(receiver.got) == 1

    async def test_a_call_whose_lease_cannot_be_kept_ends_before_others_may_begin(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, ask: Do, monkeypatch: Any
    ):
        monkeypatch.setattr(leases, "BEAT_SECONDS", 0.1)
        monkeypatch.setattr(leases, "LEASE_SECONDS", 4.0)
        monkeypatch.setattr(leases, "MARGIN_SECONDS", 3.0)

        async def database_is_away(*_: Any) -> None:
            raise OSError

        monkeypatch.setattr(pushing, "keep_leases", database_is_away)
        made = await hook(receiver.url)
        await deliver(death())
        asked: list[web.Request] = []
        async with hanging(receiver, runtime, asked) as called:
            await called.wait()
            while (line := asked[0].transport) is not None and not line.is_closing():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await push(runtime, made)
        assert await states(ask, made) == [("DONE", 0)]

    @staticmethod
    async def leased_until(session: Any) -> datetime:
        await session.commit()
        found: datetime = await session.scalar(text("SELECT leased_until FROM feed_subscriptions"))
        return found

    async def test_a_suspension_while_a_call_is_under_way_stops_the_next_one(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, post: Do, agreement: str, ask: Do
    ):
        called, answered = asyncio.Event(), asyncio.Event()

        async def wait(_request: web.Request) -> web.Response:
            called.set()
            await answered.wait()
            return web.Response()

        receiver.behave = wait
        made = await hook(receiver.url, people=(DEAD, OTHER))
        await deliver(death(DEAD))
        await deliver(death(OTHER))
        working = asyncio.create_task(workers.push_for_ever(runtime))
        try:
            async with asyncio.timeout(20):
                await called.wait()
                await post("NDX:an", f"/v1/agreements/{agreement}/suspend", {"reason": "an inquiry"})
                answered.set()
                while (await ask("GET", f"/subscriptions/{made}"))["next_attempt_at"] is None:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        assert len(receiver.got) == 1
        assert await states(ask, made) == [("DONE", 0), ("PENDING", 0)]

    async def test_an_event_that_cannot_be_opened_keeps_no_other_webhook_from_its_own(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime, session: Any
    ):
        bad, good = await hook(receiver.url), await hook(receiver.url)
        await deliver(death())
        broken = text("UPDATE feed_events SET sealed = 'sealed by nobody' WHERE subscription_id = :of")
        await session.execute(broken, {"of": UUID(bad)})
        await session.commit()
        found = await pushing.exchange(runtime, new_id(), (), [UUID(bad), UUID(good)])
        assert [errand.subscription for errand in found.errands] == [UUID(good)]

    async def test_successive_events_go_through_one_connection(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime
    ):
        await hook(receiver.url)
        ports, arrived = set(), asyncio.Semaphore(0)

        async def note(request: web.Request) -> web.Response:
            assert request.transport is not None
            ports.add(request.transport.get_extra_info("peername")[1])
            arrived.release()
            return web.Response()

        receiver.behave = note
        working = asyncio.create_task(workers.push_for_ever(runtime))
        try:
            async with asyncio.timeout(20):
                for version in range(3):
                    await deliver(death(version=version))
                    await arrived.acquire()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        assert len(ports) == 1

    async def test_who_ends_gives_back_what_had_no_answer(
        self, receiver: Receiver, hook: Do, deliver: Do, runtime: Runtime
    ):
        called = asyncio.Event()

        async def hang(_request: web.Request) -> web.Response:
            called.set()
            await asyncio.Event().wait()
            return web.Response()

        receiver.behave = hang
        made = await hook(receiver.url)
        await deliver(death())
        working = asyncio.create_task(workers.push_for_ever(runtime))
        async with asyncio.timeout(20):
            await called.wait()
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)
        receiver.behave = None
        await push(runtime, made)
        assert len(receiver.got) == 2
        assert len(set(receiver.ids)) == 1


class TestSeveralAtOnce:
    @pytest.fixture
    async def waiting(self, receiver: Receiver, hook: Do, deliver: Do) -> tuple[str, list[str]]:
        """Give a webhook that takes three at once, and the ids of five events that wait, in order."""
        made = await hook(receiver.url, people=(DEAD, OTHER), several=3)
        ids = [str(new_id()) for _ in range(5)]
        for number, identifier in enumerate(ids):
            await deliver(death((DEAD, OTHER)[number % 2], version=number + 2), event_id=UUID(identifier))
        return made, ids

    async def test_they_come_in_order_under_one_signature_each_with_its_record(
        self, receiver: Receiver, waiting: Any, runtime: Runtime, ask: Do, disclosed: Do
    ):
        made, ids = waiting
        await push(runtime, made)
        assert [[one["id"] for one in sent] for sent in receiver.got] == [ids[:3], ids[3:]]
        keys = keys_of(await ask("GET", "/signing-keys"))
        for request in receiver.requests:
            assert request.headers["Content-Type"] == "application/cloudevents-batch+json"
            assert verify(request, keys, tag=TAG) in keys
        assert await states(ask, made) == [("DONE", 0)] * 5
        assert len(await disclosed()) == 5
        attempts = (await ask("GET", f"/subscriptions/{made}/attempts"))["items"]
        assert sorted(one["event_id"] for one in attempts) == sorted(ids)

    async def test_refused_together_each_goes_alone_and_only_the_bad_one_is_given_up(
        self, receiver: Receiver, waiting: Any, runtime: Runtime, ask: Do, disclosed: Do
    ):
        made, ids = waiting

        async def picky(_request: web.Request) -> web.Response:
            bad = any(one["id"] == ids[1] for one in receiver.got[-1])
            return web.Response(status=422 if bad else 204)

        receiver.behave = picky
        for _ in range(4):
            await push(runtime, made)
            await let_time_pass(runtime)
        found = await states(ask, made)
        assert found == [("DONE", 0), ("DEAD", 3), ("DONE", 0), ("DONE", 0), ("DONE", 0)]
        alone = [sent[0]["id"] for sent in receiver.got if len(sent) == 1]
        assert (alone.count(ids[0]), alone.count(ids[1])) == (1, 3)
        # Four of the other person's events wait for none; of one person nothing overtakes.
        taken = [one["id"] for sent in receiver.got[1:] for one in sent if one["id"] != ids[1]]
        assert [i for i in taken if i in ids[::2]] == ids[::2]
        assert len(await disclosed()) == 5

    async def test_when_nobody_answers_all_come_again_first_one_and_then_the_rest(
        self, receiver: Receiver, waiting: Any, runtime: Runtime, ask: Do, disclosed: Do
    ):
        made, ids = waiting

        async def busy(_request: web.Request) -> web.Response:
            return web.Response(status=503)

        receiver.behave = busy
        await push(runtime, made)
        assert await states(ask, made) == [("PENDING", 0)] * 5
        receiver.behave = None
        await let_time_pass(runtime)
        await push(runtime, made)
        sizes = [len(sent) for sent in receiver.got]
        assert (sizes, receiver.looks) == ([3, 1, 3, 1], 1)
        assert [one["id"] for sent in receiver.got[1:] for one in sent] == ids
        assert await states(ask, made) == [("DONE", 0)] * 5
        assert len(await disclosed()) == 5
