"""Several events in one call: in order, each with its record, and one bad one stops no other."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from aiohttp import web
from gateway.feeds.calling import TAG
from ndx_chassis.app import Runtime
from ndx_chassis.ids import new_id
from ndx_contracts.signatures import keys_of, verify

from ..conftest import DEAD, OTHER, death
from ..receivers import Receiver, let_time_pass, push
from .conftest import states

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


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
