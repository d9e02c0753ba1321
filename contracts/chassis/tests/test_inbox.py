"""What becomes of an event that could not be handled: it waits, is tried again, dies, is replayed; once."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date
from typing import Any

import asyncpg
import pytest
from ndx_chassis import dead_letters
from ndx_chassis.app import Runtime
from ndx_chassis.consumer import Event, Subscription, handle_or_park, handle_together
from ndx_chassis.errors import DomainError, Kind
from ndx_chassis.gateway_client import ProviderRefused, ProviderUnavailable
from ndx_chassis.ids import new_id
from ndx_chassis.inbox import MAX_ATTEMPTS, Parcel, delay_after, replay, retry_due
from ndx_contracts.events import PersonChanged, PersonDeceased
from ndx_contracts.events import envelope as ce
from sqlalchemy import text

pytestmark = pytest.mark.integration

A_DAY_OF_ATTEMPTS = 400
Make = Callable[..., Parcel]


class Overloaded(DomainError):
    kind = Kind.TIMEOUT
    code = "test-timeout"


async def rows(runtime: Runtime, table: str) -> list[dict[str, Any]]:
    async with runtime.sessions() as session:
        found = await session.execute(text(f"SELECT * FROM {table}"))  # noqa: S608 - table names of this file
        return [dict(row._mapping) for row in found]


async def let_time_pass(runtime: Runtime, **values: Any) -> None:
    """Make every waiting event due, and set what else a day would have changed."""
    sets = ", ".join(f"{name} = :{name}" for name in values)
    async with runtime.sessions() as session, session.begin():
        await session.execute(
            text(
                "UPDATE inbox SET next_attempt_at = clock_timestamp()"  # noqa: S608 - names of this file
                + (f", {sets}" if sets else "")
                + " WHERE state = 'WAITING'"
            ),
            values,
        )


async def try_again(runtime: Runtime, subscription: Subscription, *, times: int) -> None:
    for _ in range(times):
        await let_time_pass(runtime)
        await retry_due(runtime, [subscription])


class TestTheOtherSideIsAway:
    @pytest.mark.parametrize("error", [ProviderUnavailable(), Overloaded(), ConnectionRefusedError()])
    async def test_an_event_waits_for_as_long_as_it_takes(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make, error: Exception
    ) -> None:
        handler.failure = ProviderUnavailable()
        await handle_or_park(runtime, subscription, parcel())
        handler.failure = error
        await try_again(runtime, subscription, times=MAX_ATTEMPTS + 1)
        await let_time_pass(runtime, attempts=A_DAY_OF_ATTEMPTS * 10)
        await retry_due(runtime, [subscription])
        (waiting,) = await rows(runtime, "inbox")
        assert waiting["state"] == "WAITING"
        assert waiting["error"].startswith("unavailable:")
        assert await rows(runtime, "outbox") == []
        assert await rows(runtime, "effects") == []

        handler.failure = None
        await try_again(runtime, subscription, times=1)
        assert [row["state"] for row in await rows(runtime, "inbox")] == ["DONE"]
        assert len(await rows(runtime, "effects")) == 1

    async def test_the_first_that_gets_through_hastens_the_others(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
    ) -> None:
        handler.failure = ProviderUnavailable()
        for _ in range(3):
            await handle_or_park(runtime, subscription, parcel())
        await let_time_pass(runtime, attempts=A_DAY_OF_ATTEMPTS)
        for _ in range(3):
            await retry_due(runtime, [subscription])
        assert await retry_due(runtime, [subscription]) == 0, "all wait some minutes now"

        handler.failure = None
        async with runtime.sessions() as session, session.begin():
            one = "UPDATE inbox SET next_attempt_at = clock_timestamp() WHERE event_id = :id"
            await session.execute(text(one), {"id": (await rows(runtime, "inbox"))[0]["event_id"]})
        await retry_due(runtime, [subscription])
        assert len(await rows(runtime, "effects")) == 3

    async def test_one_that_is_away_is_asked_once_and_not_for_every_waiting_event(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
    ) -> None:
        handler.failure = ProviderUnavailable()
        for _ in range(5):
            await handle_or_park(runtime, subscription, parcel())
        await let_time_pass(runtime)
        handler.seen.clear()
        await retry_due(runtime, [subscription])
        assert len(handler.seen) == 1

    async def test_its_absence_leaves_a_later_refusal_all_its_attempts(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
    ) -> None:
        handler.failure = ProviderUnavailable()
        await handle_or_park(runtime, subscription, parcel())
        await let_time_pass(runtime, attempts=A_DAY_OF_ATTEMPTS)
        handler.failure = ProviderRefused(403, "no-agreement")
        await retry_due(runtime, [subscription])
        (waiting,) = await rows(runtime, "inbox")
        assert (waiting["state"], waiting["attempts"]) == ("WAITING", 1)
        assert waiting["error"] == "provider-refused:no-agreement"

    def test_pauses_stay_short_however_long_it_takes(self) -> None:
        assert delay_after(10**6).total_seconds() <= 360


class TestRefusals:
    async def test_are_tried_so_often_and_then_become_a_dead_letter(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
    ) -> None:
        handler.failure = ProviderRefused(403, "agreement-suspended")
        message = parcel()
        await handle_or_park(runtime, subscription, message)
        await try_again(runtime, subscription, times=MAX_ATTEMPTS - 2)
        assert [row["state"] for row in await rows(runtime, "inbox")] == ["WAITING"]
        await try_again(runtime, subscription, times=1)
        assert [row["state"] for row in await rows(runtime, "inbox")] == ["DEAD"]
        assert len(handler.seen) == MAX_ATTEMPTS
        (letter,) = await rows(runtime, "outbox")
        assert letter["topic"] == "test.dead-letter.v1"
        assert letter["payload"] == message.value
        assert letter["headers"]["ndx_error"] == "provider-refused:agreement-suspended"
        assert letter["headers"]["ndx_original_id"] == message.headers["ce_id"]
        await try_again(runtime, subscription, times=3)
        assert len(handler.seen) == MAX_ATTEMPTS

    async def test_a_defect_of_the_handler_is_given_the_same_attempts(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
    ) -> None:
        handler.failure = ValueError("a mistake in the handler, not in the message")
        await handle_or_park(runtime, subscription, parcel())
        (waiting,) = await rows(runtime, "inbox")
        assert (waiting["state"], waiting["error"]) == ("WAITING", "ValueError")

    @pytest.mark.parametrize("broken", [{"value": "{}"}, {"value": "no JSON"}, {"ce_time": "yesterday"}])
    async def test_what_cannot_be_read_is_dead_at_once_also_when_it_is_replayed(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make, broken: dict[str, str]
    ) -> None:
        await handle_or_park(runtime, subscription, parcel(**broken))
        for _ in range(2):
            (dead,) = await rows(runtime, "inbox")
            assert dead["state"] == "DEAD"
            assert dead["error"].startswith("unreadable:")
            async with runtime.sessions() as session, session.begin():
                assert await replay(session) == 1
            await retry_due(runtime, [subscription])
        assert handler.seen == []


class TestReplay:
    async def test_a_dead_letter_takes_effect_once(
        self, runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
    ) -> None:
        handler.failure = ProviderRefused(403, "agreement-suspended")
        message = parcel()
        await handle_or_park(runtime, subscription, message)
        await try_again(runtime, subscription, times=MAX_ATTEMPTS)
        handler.failure = None
        async with runtime.sessions() as session, session.begin():
            assert await replay(session, consumer="another") == 0
            assert await replay(session, consumer=subscription.consumer) == 1
        await retry_due(runtime, [subscription])
        async with runtime.sessions() as session, session.begin():
            assert await replay(session) == 0
        await handle_or_park(runtime, subscription, message)
        assert len(await rows(runtime, "effects")) == 1
        assert [row["state"] for row in await rows(runtime, "inbox")] == ["DONE"]


class TestCommand:
    """`python -m ndx_chassis.dead_letters`, as the operators' page says."""

    @pytest.fixture
    def run(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., Awaitable[tuple[int, str, str]]]:
        """Run the command in a thread: it starts an event loop of its own."""

        async def command(url: str, *arguments: str) -> tuple[int, str, str]:
            monkeypatch.setenv("TAX_DATABASE_URL", url)
            monkeypatch.setattr("sys.argv", ["dead_letters", *arguments])
            capsys.readouterr()
            code = await asyncio.to_thread(dead_letters.main)
            return code, *capsys.readouterr()

        return command

    async def test_it_lists_what_is_dead_and_what_waits_and_replays(
        self,
        run: Any,
        runtime: Runtime,
        subscription: Subscription,
        handler: Any,
        parcel: Make,
        database_url: str,
    ) -> None:
        handler.failure = ProviderRefused(403, "agreement-suspended")
        await handle_or_park(runtime, subscription, parcel())
        await try_again(runtime, subscription, times=MAX_ATTEMPTS)
        handler.failure = ProviderUnavailable()
        await handle_or_park(runtime, subscription, parcel())
        code, out, _ = await run(database_url, "svc_tax_link", "list")
        assert code == 0
        assert "1 dead, 1 waiting" in out
        assert "test:population.person.v1" in out
        assert "provider-refused:agreement-suspended" in out
        assert "unavailable:provider-unavailable" in out
        assert "079226000017" not in out
        assert "1 dead letter" in (await run(database_url, "svc_tax_link", "replay"))[1]
        assert "0 dead, 2 waiting" in (await run(database_url, "svc_tax_link", "list"))[1]

    async def test_no_database_and_no_such_service_are_one_sentence(self, run: Any) -> None:
        away = await run("postgresql://x:y@127.0.0.1:9/tax", "svc_tax_link", "list")
        unknown = await run("", "svc_nothing", "list")
        for (code, _, said), words in ((away, "cannot be reached"), (unknown, "svc_nothing")):
            assert code == 1
            assert words in said
            assert len(said.strip().splitlines()) == 1


async def test_a_process_that_dies_while_trying_again_loses_nothing(
    runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
) -> None:
    """The attempt is taken with a pause before it is made: whoever comes next finds it waiting."""

    class Killed(BaseException):
        """Stands for the end of the process: nothing after it runs."""

    handler.failure = ProviderUnavailable()
    await handle_or_park(runtime, subscription, parcel())
    handler.failure = Killed()  # no exception that a program may catch
    await let_time_pass(runtime)
    with pytest.raises(Killed):
        await retry_due(runtime, [subscription])
    assert [row["state"] for row in await rows(runtime, "inbox")] == ["WAITING"]
    handler.failure = None
    await try_again(runtime, subscription, times=1)
    assert len(await rows(runtime, "effects")) == 1


async def test_an_own_database_that_is_away_keeps_the_message_in_kafka(
    runtime: Runtime, subscription: Subscription, handler: Any, parcel: Make
) -> None:
    """The offset is committed only after the inbox knows of the event."""
    handler.failure = asyncpg.CannotConnectNowError("the database system is starting up")
    with pytest.raises(asyncpg.CannotConnectNowError):
        await handle_or_park(runtime, subscription, parcel())
    assert await rows(runtime, "inbox") == []


class TestOrder:
    async def test_types_that_share_a_handler_come_in_their_order_traced_or_not(
        self, runtime: Runtime
    ) -> None:
        taken: list[str] = []

        async def act(_session: Any, events: list[Event[Any]], _runtime: Runtime) -> None:
            taken.extend(str(event.id) for event in events)

        subscription = Subscription(
            PersonDeceased.TOPIC, "order", together={PersonDeceased: act, PersonChanged: act}, in_order=True
        )
        died = PersonDeceased(
            person_id=new_id(), personal_id="079190000011", version=1, died_on=date(2026, 11, 20)
        )
        moved = PersonChanged(person_id=died.person_id, personal_id=died.personal_id, version=2, changed=())
        parcels = []
        for number, event in enumerate([moved, died, moved, died, moved]):
            headers = {ce.CE_ID: str(new_id()), ce.CE_TYPE: event.TYPE}
            if number % 2:
                headers[ce.TRACEPARENT] = f"00-{'a' * 32}-{'b' * 16}-01"
            parcels.append(Parcel(event.TOPIC, event.key, event.model_dump_json(), headers))
        await handle_together(runtime, subscription, parcels)
        assert taken == [parcel.headers[ce.CE_ID] for parcel in parcels]
