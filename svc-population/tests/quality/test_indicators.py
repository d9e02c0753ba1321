"""Indicators are those of this moment, whoever changes people."""

import pytest
from ndx_contracts.agreements import AdminScope
from svc_population.quality.service import fold

from .conftest import BASE, FULL, GOOD, broken, recount_before, run, unit


@pytest.mark.usefixtures("counted")
class TestIndicators:
    async def test_a_mended_fault_is_gone_at_once(self, client, office, add_person, runtime):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None, "phone": None})
        await add_person("046088000002", **FULL)
        asked = {"level": "COMMUNE", "province_code": "79", "dimension": "COMPLETE"}
        found = await unit(client, office, **asked)
        assert (found["code"], found["living"], found["current"]) == ("26740", 2, True)
        assert found["dimensions"] == [
            {"dimension": "COMPLETE", "checked": 2, "faultless": 1, "percent": 50.0}
        ]
        assert {(r["rule"], r["checked"], r["broken"]) for r in found["rules"] if r["broken"]} == {
            ("ethnicity-missing", 2, 1),
            ("contact-missing", 2, 1),
        }
        await fold(runtime)
        await run(runtime, "UPDATE persons SET ethnicity_code = '01' WHERE personal_id = :n", n=GOOD)
        assert await broken(client, office, **asked) == {"contact-missing"}
        await run(
            runtime,
            "UPDATE persons SET life_status = 'DECEASED', death_or_missing_date = '2026-01-01'"
            " WHERE personal_id = :n",
            n=GOOD,
        )
        found = await unit(client, office, **asked)
        assert (found["persons"], found["living"], found["dimensions"][0]["percent"]) == (2, 1, 100.0)

    async def test_a_recount_that_ends_meanwhile_leaves_nobody_out(
        self, client, office, add_person, runtime, monkeypatch
    ):
        await add_person(GOOD, **{**FULL, "ethnicity_code": None})
        recount_before(monkeypatch, runtime, "indicators")
        found = await unit(client, office)
        assert (found["persons"], [r["rule"] for r in found["rules"] if r["broken"]]) == (
            1,
            ["ethnicity-missing"],
        )

    async def test_people_of_an_abolished_commune_stand_under_its_own_code(self, client, office, add_person):
        await add_person(GOOD, **FULL, permanent_province_code="01", permanent_commune_code="00016")
        found = await unit(client, office, level="COMMUNE")
        assert (found["code"], found["current"]) == ("00016", False)
        assert found["name"]

    async def test_only_rules_that_an_agency_can_mend_when_asked(self, client, office, add_person):
        await add_person(GOOD, **FULL)
        justice = {r["field_group"] for r in (await unit(client, office, agency="G02"))["rules"]}
        police = {r["field_group"] for r in (await unit(client, office, agency="G01"))["rules"]}
        assert "ethnicity" in justice - police
        assert "household" in police - justice

    async def test_an_area_sees_its_own_units_only(self, client, agree, as_agency, add_person):
        await add_person(GOOD, **FULL)
        await add_person("046088000002", **FULL, permanent_province_code="01", permanent_commune_code="00070")
        agree(
            "X26740",
            {"population.get_quality_indicators": []},
            admin_scope=AdminScope(communes=("26740",)),
            purposes=["STATISTICS"],
        )
        commune = as_agency("X26740", system="quality", purpose="STATISTICS")
        assert (await unit(client, commune))["persons"] == 1
        assert (await unit(client, commune, level="PROVINCE", province_code="79"))["persons"] == 1
        for asked in ({"province_code": "01"}, {"commune_code": "00070"}):
            reply = await client.get(f"{BASE}/indicators", params=asked, headers=commune)
            assert (reply.status_code, reply.json()["code"]) == (403, "outside-admin-scope")

    async def test_a_percent_of_100_means_that_nobody_is_left(self, client, office, runtime):
        await run(
            runtime,
            "INSERT INTO persons (personal_id, given_name, birth_date, sex, ethnicity_code,"
            " permanent_commune_code, permanent_province_code, source)"
            " SELECT '046088' || lpad(n::text, 6, '0'), 'An', '1988-05-17', 'MALE', nullif(n, 1)::text,"
            " '26740', '79', 'test'"
            " FROM generate_series(1, 30000) n",
        )
        (rule,) = [r for r in (await unit(client, office))["rules"] if r["rule"] == "ethnicity-missing"]
        assert (rule["broken"], rule["percent"]) == (1, 99.99)
