"""The tally of quotas counts once and survives."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from gateway.quotas import jobs, repository, service
from gateway.quotas.desk import Batch, Desk
from gateway.quotas.holders import IDLE_AFTER, Bucket

from .conftest import NOON, NUMBER, Envoy, Service

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestTally:
    async def test_more_buckets_than_fit_one_statement_come_and_go_together(
        self, control: Service, agreed: Do, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(repository, "AT_A_TIME", 2)
        await agreed(per_day=100)
        envoy = Envoy(1)
        for number in range(7):
            envoy.call(1, Bucket(f"X{number}", NUMBER, 1))
        assert len(await control.count(envoy)) == 7
        control.desk = Desk()
        assert await control.count(envoy) == []
        control.now += IDLE_AFTER * 1.1
        assert {order.calls for order in await control.count(envoy)} == {99}
        control.now += IDLE_AFTER * 0.9
        assert {order.calls for order in await control.count(envoy)} == {None}

    async def test_a_batch_whose_commit_was_in_doubt_counts_once(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(7)
        reports = tuple(envoy.reports())
        for _ in range(2):
            async with control.runtime.sessions() as session, session.begin():
                await service.take_in(session, control.desk, Batch(1, reports), now=NOON)
        assert await control.used() == 7

    async def test_a_control_plane_that_was_restarted_goes_on_where_it_stood(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(39)
        await control.count(envoy)
        control.desk = Desk()
        envoy.stream = 7
        envoy.call(10)
        assert await control.count(envoy) == []
        assert await control.used() == 50
        assert envoy.call(500) == 50
        await control.count(envoy)
        assert await control.used() == 100

    async def test_what_was_used_while_nobody_listened_is_counted_at_the_latest_when_it_runs_out(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(9)
        await control.count(envoy)
        envoy.call(40)
        envoy.reports()  # lost: the control plane was away
        control.desk = Desk()
        envoy.call(5)
        assert await control.count(envoy) == []
        assert envoy.call(500) == 45
        await control.count(envoy)
        assert await control.used() == 100
        assert envoy.call(5) == 0

    async def test_after_a_long_absence_what_is_left_is_assigned_anew(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(59)
        await control.count(envoy)
        control.desk = Desk()
        control.now += service.BACK_WITHIN
        other = Envoy(1)  # it started while nobody was there, and has no assignment
        other.call(10)
        other.fresh.clear()
        (order,) = await control.count(other)
        assert order.calls == 30

    async def test_an_envoy_that_was_restarted_gets_what_is_left(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(59)
        await control.count(envoy)
        control.desk.leave(1)
        again = Envoy(2)
        again.call(1)
        await control.count(again)
        assert again.call(500) == 39

    async def test_two_control_planes_share_one_quota(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=1000)
        second = Service(control.runtime)
        one, other = Envoy(1), Envoy(1)
        for _ in range(40):
            one.call(30)
            other.call(30)
            await control.count(one)
            await second.count(other)
        assert 1000 <= one.served + other.served <= 1060
        assert await control.used() == one.served + other.served

    async def test_old_tallies_go(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(7)
        control.now = datetime(2025, 1, 1, tzinfo=UTC)
        await control.count(envoy)
        assert await control.used() == 7
        await jobs.clear(control.runtime)
        assert await control.used() == 0
