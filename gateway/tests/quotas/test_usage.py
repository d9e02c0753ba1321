"""What is told of a quota: when it runs low or out, and to whom how much is left."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from gateway.quotas import service
from gateway.quotas.holders import Bucket
from gateway.quotas.periods import Period
from ndx_contracts.events.gateway import QuotaReached

from .conftest import NUMBER, Envoy, Service

pytestmark = pytest.mark.integration
Do = Callable[..., Any]


class TestEvents:
    async def test_each_threshold_is_told_once_in_a_period(
        self, control: Service, agreed: Do, emitted: Callable[[], Awaitable[list[dict[str, Any]]]]
    ) -> None:
        await agreed(per_day=100, per_month=1000)
        envoy = Envoy(1)
        for calls in (70, 9, 1, 10, 50, 50):
            envoy.call(calls)
            await control.count(envoy)
        told = [e["data"] for e in await emitted() if e["type"] == QuotaReached.TYPE]
        assert [(e["period"], e["percent"], e["used"], e["limit"]) for e in told] == [
            ("DAY", 80, 80, 100),
            ("DAY", 100, 100, 100),
        ]
        assert told[0]["agency"] == "H79.001"
        assert told[0]["resets_at"] == "2026-11-24T17:00:00Z"

    async def test_a_month_that_is_used_up_is_told_to_the_configuration(
        self, control: Service, agreed: Do
    ) -> None:
        await agreed(per_month=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(50)
        await control.count(envoy)
        async with control.runtime.sessions() as session:
            (spent,) = await service.spent(session, control.desk.calendar, control.now)
        assert (spent.agency, spent.agreement_id) == ("H79.001", NUMBER)
        assert spent.until == datetime(2026, 11, 30, 17, tzinfo=UTC).timestamp()

    async def test_so_is_a_day_that_is_used_up_until_the_next_one(self, control: Service, agreed: Do) -> None:
        await agreed(per_day=10)
        envoy = Envoy(1)
        envoy.call(1)
        await control.count(envoy)
        envoy.call(50)
        await control.count(envoy)
        calendar = control.desk.calendar
        async with control.runtime.sessions() as session:
            (spent,) = await service.spent(session, calendar, control.now)
            midnight = calendar.end(Period.DAY, calendar.day(control.now))
            assert await service.spent(session, calendar, midnight) == ()
        assert (spent.agency, spent.agreement_id, spent.period) == ("H79.001", NUMBER, Period.DAY)
        assert spent.until == midnight.timestamp()


class TestUsage:
    async def test_an_agency_sees_its_own_use_against_quota(
        self, control: Service, agreed: Do, client: httpx.AsyncClient, as_agency: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(41)
        control.now = datetime.now(UTC)
        await control.count(envoy)
        answer = await client.get("/v1/usage/mine", headers=as_agency("H79.001", system="his"))
        (found,) = answer.json()["items"]
        assert found["agreement"] == NUMBER
        assert (found["day"]["used"], found["day"]["left"], found["day"]["percent"]) == (41, 59, 41)
        assert (found["month"]["used"], found["month"]["limit"]) == (41, None)
        others = await client.get("/v1/usage/mine", headers=as_agency("G04"))
        assert others.json()["items"] == []

    async def test_an_operator_sees_everybodys_page_by_page(
        self, control: Service, agreed: Do, read: Do
    ) -> None:
        await agreed(per_day=100)
        envoy = Envoy(1)
        envoy.call(3)
        envoy.call(4, Bucket("B01", NUMBER, 1))
        await control.count(envoy)
        day = control.desk.calendar.day(control.now)
        first = await read("NDX:an", f"/v1/usage?day={day}&limit=1")
        second = await read("NDX:an", f"/v1/usage?day={day}&limit=1&cursor={first['next_cursor']}")
        assert [(i["agency"], i["day"]["used"]) for p in (first, second) for i in p["items"]] == [
            ("B01", 4),
            ("H79.001", 3),
        ]
        assert second["next_cursor"] is None
        only = await read("NDX:an", f"/v1/usage?day={day}&agency=H79.001")
        assert [i["agency"] for i in only["items"]] == ["H79.001"]
