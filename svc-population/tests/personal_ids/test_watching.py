"""A prefix that fills is seen before it is full: in a list, as a metric, by one event for each threshold."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_contracts.population import Sex
from sqlalchemy import text
from svc_population.personal_ids import watching
from svc_population.personal_ids.foresight import FORESEEN, PrefixUse
from svc_population.personal_ids.personal_id import place_code_of, place_of, prefix

TODAY = date(2026, 6, 30)
BEGAN = date(2026, 1, 1)


@pytest.fixture
def planner(agree, as_agency):
    agree("G01", {"population.list_personal_id_prefixes": []}, purposes=["CIVIL_REGISTRATION"])
    return as_agency("G01", purpose="CIVIL_REGISTRATION")


class TestForesight:
    def test_a_pace_that_uses_it_up_while_births_are_registered_is_foreseen(self):
        use = PrefixUse("079326", 500_000, BEGAN)
        expected = use.expected_on(TODAY)
        assert expected is not None
        assert expected == TODAY + (TODAY - BEGAN)
        assert use.level(TODAY) == FORESEEN

    def test_a_pace_that_lasts_longer_than_anybody_needs_is_not(self):
        assert PrefixUse("079326", 100_000, BEGAN).expected_on(TODAY) is None
        assert PrefixUse("079326", 9_999, TODAY).level(TODAY) == 0

    @given(st.integers(0, 1_200_000), st.integers(0, 700))
    def test_the_level_grows_with_use_and_never_beyond_the_whole(self, taken, days):
        use = PrefixUse("079326", taken, TODAY - timedelta(days=days))
        more = PrefixUse("079326", taken + 10_000, TODAY - timedelta(days=days))
        assert use.level(TODAY) <= more.level(TODAY) <= 100
        assert 0 <= use.percent <= 100


class TestPlaces:
    @given(
        st.dates(date(2016, 1, 1), date(2030, 1, 1)),
        st.sampled_from(["01", "52", "74", "79", "91"]),
        st.sampled_from(Sex),
    )
    def test_a_number_is_decoded_to_its_province_with_the_table_of_its_day(self, day, province, sex):
        code = place_code_of(province, day)
        if code is None:
            assert day >= date(2025, 7, 1)
            return
        decoded = place_of(prefix(code, sex, day.year)[:3], day)
        assert decoded is not None
        assert decoded.province_code == province


class TestAnnounceFilling:
    async def test_each_threshold_is_announced_once(self, runtime, session, emitted):
        statement = "INSERT INTO personal_id_counters VALUES ('079190', :taken, '2026-01-01', 0)"
        await session.execute(text(statement), {"taken": 799_999})
        await session.commit()
        told = []
        for taken in (800_000, 810_000, 950_000, 1_000_007, 1_000_015):
            await session.execute(text("UPDATE personal_id_counters SET taken = :t"), {"t": taken})
            await session.commit()
            told.append(await watching.announce_filling(runtime))
        assert told == [1, 0, 1, 1, 0]
        events = [e for e in await emitted() if e["type"] == "population.personal-id-prefix-filling.v1"]
        assert [(e["key"], e["data"]["percent"]) for e in events] == [
            ("079190", 80),
            ("079190", 95),
            ("079190", 100),
        ]

    async def test_the_fuller_prefixes_are_metrics(self, client, session):
        await session.execute(
            text("INSERT INTO personal_id_counters (prefix, taken) VALUES ('079326', 600000), ('001326', 5)")
        )
        await session.commit()
        page = (await client.get("/metrics")).text
        assert 'ndx_personal_ids_prefix_used{ndx_personal_id_prefix="079326"} 0.6' in page
        assert "001326" not in page


class TestListPrefixes:
    async def test_the_fullest_come_first(self, client, session, planner):
        await session.execute(
            text(
                "INSERT INTO personal_id_counters (prefix, taken)"
                " VALUES ('079326', 600000), ('079226', 1000003), ('001326', 5)"
            )
        )
        await session.commit()
        reply = await client.get("/population/v1/personal-id-prefixes", headers=planner)
        assert reply.status_code == 200, reply.text
        items = reply.json()["items"]
        assert [(i["prefix"], i["taken"], i["left"], i["percent"]) for i in items] == [
            ("079226", 1_000_000, 0, 100),
            ("079326", 600_000, 400_000, 60),
        ]

    async def test_a_prefix_of_a_few_is_told_to_nobody(self, client, session, planner):
        """The first number of an old year's prefix tells of a late registration on that day."""
        await session.execute(
            text("INSERT INTO personal_id_counters (prefix, taken) VALUES ('004046', 8), ('079326', 10000)")
        )
        await session.commit()
        url = "/population/v1/personal-id-prefixes?least_percent="
        least = await client.get(f"{url}1", headers=planner)
        assert [i["prefix"] for i in least.json()["items"]] == ["079326"]
        assert (await client.get(f"{url}0", headers=planner)).status_code == 422


class TestExhaustion:
    async def test_a_full_prefix_gives_no_number_and_says_so(
        self, client, registry, birth, add_person, session
    ):
        await add_person("079190000011")
        await add_person("079088000022")
        await session.execute(
            text("INSERT INTO personal_id_counters (prefix, taken) VALUES ('079326', 1000000)")
        )
        await session.commit()
        reply = await client.post("/population/v1/personal-id-requests", json=birth(), headers=registry)
        assert (reply.status_code, reply.json()["code"]) == (409, "personal-id-prefix-exhausted")
