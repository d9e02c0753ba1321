"""How indicators moved: each day's last number, with no number where nothing was kept."""

from datetime import timedelta

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.quality import recounting
from svc_population.quality_days import service
from svc_population.quality_days.service import keep_today

URL = "/population/v1/quality/series"
OPERATIONS: dict[str, list[FieldGroup]] = {"population.get_quality_series": []}


@pytest.fixture
def office(agree, as_agency) -> dict[str, str]:
    agree("G01", OPERATIONS, purposes=["STATISTICS"])
    return as_agency("G01", system="quality", purpose="STATISTICS")


async def points(client, office, **asked: object) -> list[dict]:
    reply = await client.get(URL, params=asked, headers=office)
    assert reply.status_code == 200, reply.text
    return reply.json()["items"]


class TestSeries:
    async def test_a_chart_shows_how_an_indicator_moved(
        self, client, office, add_person, runtime, monkeypatch
    ):
        assert await keep_today(runtime) == 0
        await recounting.bring_up_to_date(runtime.sessions)
        for number in ("079088000001", "079088000002"):
            await add_person(number, ethnicity_code=None)
        yesterday = today() - timedelta(days=1)
        with monkeypatch.context() as then:
            then.setattr(service, "today", lambda: yesterday)
            await keep_today(runtime)
        await keep_today(runtime)
        async with runtime.sessions() as session, session.begin():
            await session.execute(
                text("UPDATE persons SET ethnicity_code = '01' WHERE personal_id = '079088000001'")
            )
        # The day goes on: its row is written anew.
        await keep_today(runtime)
        for where in ({}, {"province_code": "79"}, {"commune_code": "26740"}):
            found = await points(client, office, rule="ethnicity-missing", **where)
            assert [(p["day"], p["checked"], p["faultless"], p["percent"]) for p in found] == [
                (yesterday.isoformat(), 2, 0, 0.0),
                (today().isoformat(), 2, 1, 50.0),
            ]
        assert await points(client, office, rule="ethnicity-missing", commune_code="00070") == []
        found = await points(client, office, since=today())
        assert [p["indicator"] for p in found] == ["CORRECT", "COMPLETE", "CLEAN", "LIVE"]
        assert {p["checked"] for p in found} == {2}
        found = await points(client, office, dimension="COMPLETE", until=yesterday)
        assert [p["day"] for p in found] == [yesterday.isoformat()]

    async def test_only_whole_units_of_the_agreements_area(self, client, agree, as_agency):
        agree("G02", OPERATIONS, admin_scope=AdminScope(provinces=("79",)), purposes=["STATISTICS"])
        headers = as_agency("G02", system="quality", purpose="STATISTICS")
        for asked, status in (
            ({"province_code": "79"}, 200),
            ({"commune_code": "26740"}, 200),
            ({"province_code": "01"}, 403),
            ({"commune_code": "00070"}, 403),
            ({}, 403),
        ):
            reply = await client.get(URL, params=asked, headers=headers)
            assert reply.status_code == status, (asked, reply.text)

    async def test_too_many_days_or_days_the_wrong_way_round_are_refused(self, client, office):
        for since in (today() - timedelta(days=1100), today() + timedelta(days=1)):
            reply = await client.get(URL, params={"since": since}, headers=office)
            assert reply.status_code == 422
        assert await points(client, office, until="0001-01-02") == []
