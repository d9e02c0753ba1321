"""What is left of a quota is shared among those who ask, never doubled."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from gateway.quotas.holders import IDLE_AFTER, TIME_TO_LIVE, Bucket
from gateway.quotas.periods import Period

from .conftest import NUMBER, TERMS, Envoy, Service

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestAssignment:
    async def test_one_envoy_gets_all_that_is_left_at_once_and_not_a_call_more(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(1)
        (order,) = await control.count(envoy)
        assert order.calls == 99
        assert envoy.call(60) == 60
        assert await control.count(envoy) == []
        assert envoy.call(60) == 39
        await control.count(envoy)
        assert await control.used() == 100
        assert envoy.call(1) == 0

    async def test_an_operation_that_costs_more_uses_more(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100)
        dear = Bucket("H79.001", NUMBER, 5)
        envoy = Envoy(1)
        envoy.call(1, dear)
        await control.count(envoy)
        assert envoy.call(1000, dear) == 19
        await control.count(envoy)
        assert await control.used() == 100

    async def test_the_narrower_of_day_and_month_decides(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=100, per_month=30)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        assert envoy.call(100) == 29

    @pytest.mark.parametrize("load", [(40, 40), (70, 5), (3, 300)])
    async def test_two_envoys_together_overshoot_by_no_more_than_one_interval(
        self, control: Service, agreed: Do, load: tuple[int, int]
    ) -> None:
        await agreed(per_day=1000)
        one, other = Envoy(1), Envoy(2)
        one.call(1)
        await control.count(one)
        for _ in range(60):
            one.call(load[0])
            other.call(load[1])
            await control.count(one, other)
        assert 1000 <= one.served + other.served <= 1000 + sum(load)
        assert await control.used() == one.served + other.served

    async def test_dear_and_cheap_calls_draw_on_one_quota(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=300)
        dear, envoy = Bucket("H79.001", NUMBER, 3), Envoy(1)
        for _ in range(40):
            envoy.call(10)
            envoy.call(2, dear)
            await control.count(envoy)
        assert 298 <= envoy.served <= 300 + 16
        assert await control.used() == envoy.served

    async def test_a_new_day_begins_with_the_whole_quota(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        assert envoy.call(50) == 9
        await control.count(envoy)
        control.now = datetime(2026, 11, 24, 17, tzinfo=UTC)
        await control.count(envoy)
        assert envoy.call(50) == 10
        await control.count(envoy)
        assert (await control.used(), await control.used(Period.MONTH)) == (10, 20)

    async def test_a_larger_quota_reaches_who_was_refused(
        self, control: Service, agreed: Do, post: Do
    ) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(50)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/amendments", TERMS | {"quotas": {"per_day": 25}}, 201)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/submit")
        await post("G03:giang", f"/v1/agreements/{NUMBER}/approve")
        await control.count(envoy)
        assert envoy.call(50) == 15

    async def test_a_bucket_without_a_quota_any_more_is_given_up(
        self, control: Service, agreed: Do, post: Do
    ) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        await post("NDX:an", f"/v1/agreements/{NUMBER}/terminate", {"reason": "over"})
        envoy.call(1)
        (order,) = await control.count(envoy)
        assert order.calls is None
        assert control.desk.holders == {}

    async def test_who_does_not_call_any_more_is_forgotten_and_who_does_is_renewed(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        control.now += TIME_TO_LIVE / 2
        (order,) = await control.count(envoy)
        assert (order.again, order.calls) == (True, 9)
        control.now += IDLE_AFTER * 0.9
        (order,) = await control.count(envoy)
        assert order.calls is None
