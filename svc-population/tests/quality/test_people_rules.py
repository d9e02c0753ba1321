"""Each fault of a record is counted under its rule."""

from datetime import date, timedelta

import pytest
from svc_population.admin_units.service import today

from .conftest import FULL, GOOD, broken, unit


@pytest.mark.usefixtures("counted")
class TestRulesOfAPerson:
    async def test_a_whole_record_breaks_nothing(self, client, office, add_person):
        await add_person(GOOD, **FULL)
        found = await unit(client, office)
        assert [d["percent"] for d in found["dimensions"]] == [100.0] * 4
        assert {r["broken"] for r in found["rules"]} == {0}

    @pytest.mark.parametrize(
        ("number", "changed", "expected"),
        [
            ("046188000001", {}, {"number-sex-differs"}),
            ("046089000001", {}, {"number-birth-year-differs"}),
            ("046288000001", {}, {"number-birth-year-differs"}),
            ("000088000001", {}, {"number-place-unknown"}),
            (
                "046199000001",
                {"birth_date": date(2999, 1, 1), "sex": "FEMALE"},
                {"number-birth-year-differs", "birth-after-recording"},
            ),
            (
                GOOD,
                {"life_status": "DECEASED", "death_or_missing_date": date(1980, 1, 1)},
                {"death-before-birth"},
            ),
            (
                GOOD,
                {"life_status": "DECEASED", "death_or_missing_date": date(2999, 1, 1)},
                {"death-after-recording"},
            ),
            (
                GOOD,
                {
                    "life_status": "DECEASED",
                    "death_or_missing_date": date(2020, 1, 1),
                    "ethnicity_code": None,
                },
                set(),
            ),
            (GOOD, {"permanent_commune_code": "99999"}, {"permanent-commune-unknown"}),
            (GOOD, {"permanent_province_code": "01"}, {"permanent-province-differs"}),
            (
                GOOD,
                {"permanent_commune_code": "00016", "permanent_province_code": "01"},
                {"permanent-commune-abolished"},
            ),
            (GOOD, {"birth_registration_commune_code": "99999"}, {"birth-registration-commune-unknown"}),
            (
                GOOD,
                {"temporary_since": date(2026, 1, 2), "temporary_until": date(2026, 1, 1)},
                {"temporary-residence-ends-before-it-begins", "temporary-residence-over"},
            ),
            (GOOD, {"legacy_id_number": "12345"}, {"legacy-number-malformed"}),
            (GOOD, {"birth_place": ""}, {"birth-place-missing"}),
            (GOOD, {"phone": None}, {"contact-missing"}),
            (GOOD, {"phone": "12"}, {"phone-malformed"}),
            (
                GOOD,
                {"permanent_commune_code": None, "permanent_province_code": None},
                {"permanent-residence-missing"},
            ),
            (GOOD, {"surname": "Le\u0302"}, {"name-not-composed"}),
            (GOOD, {"given_name": "An1"}, {"name-odd-characters"}),
            (GOOD, {"given_name": "An "}, {"name-odd-spaces"}),
            (GOOD, {"middle_name": "K'Pă-Y"}, set()),
            (GOOD, {"absence_from": date(2025, 1, 1), "absence_until": date(2025, 2, 1)}, {"absence-over"}),
            ("046016000001", {"birth_date": date(1916, 1, 1)}, {"very-old-without-death"}),
        ],
    )
    async def test_each_fault_is_counted_under_its_rule(
        self, client, office, add_person, number, changed, expected
    ):
        await add_person(number, **{**FULL, **changed})
        assert await broken(client, office) == expected

    async def test_what_time_alone_breaks_is_counted_from_its_day_on(self, client, office, add_person):
        await add_person(GOOD, **FULL, temporary_since=today() - timedelta(days=9), temporary_until=today())
        assert await broken(client, office) == set()
        # The same person on a day that has come: the count of a later day, of the same rows.
        await add_person(
            "046088000002", **FULL, absence_from=date(2025, 1, 1), absence_until=today() - timedelta(days=1)
        )
        assert await broken(client, office) == {"absence-over"}
