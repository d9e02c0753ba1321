"""What a unit of one day is on another: sure, divided, or not known, forwards and backwards."""

from datetime import date

import pytest
from svc_population.admin_units.succession import Extent, Outcome, units_in_time

BEFORE, AFTER, TODAY = date(2025, 6, 30), date(2025, 7, 1), date(2026, 11, 24)
UNITS = units_in_time()


def communes(day: date) -> list[str]:
    return [
        code
        for (level, code), periods in UNITS.periods.items()
        if level == "COMMUNE" and any(p.covers(day) for p in periods)
    ]


class TestTranslate:
    @pytest.mark.parametrize(
        ("level", "code", "on", "to", "outcome", "first"),
        [
            ("PROVINCE", "01", BEFORE, TODAY, Outcome.UNCHANGED, "01"),
            ("PROVINCE", "74", BEFORE, TODAY, Outcome.ONE, "79"),
            ("PROVINCE", "52", BEFORE, TODAY, Outcome.ONE, "52"),
            ("PROVINCE", "79", TODAY, BEFORE, Outcome.SEVERAL, "79"),
            ("PROVINCE", "75", date(2026, 1, 1), TODAY, Outcome.UNCHANGED, "75"),
            ("DISTRICT", "760", BEFORE, TODAY, Outcome.UNKNOWN, None),
            ("DISTRICT", "755", BEFORE, TODAY, Outcome.ONE, "26732"),
        ],
    )
    def test_a_known_case(self, level, code, on, to, outcome, first):
        found = UNITS.translate(level, code, on=on, to=to)
        assert found is not None
        assert found.outcome is outcome
        assert (found.units[0].unit.code if found.units else None) == first

    def test_a_ward_that_got_another_code_first_is_followed_through_both_steps(self):
        found = UNITS.translate("COMMUNE", "27361", on=date(2024, 5, 1), to=TODAY)
        direct = UNITS.translate("COMMUNE", "27367", on=BEFORE, to=TODAY)
        assert found is not None
        assert direct is not None
        assert [r.unit for r in found.units] == [r.unit for r in direct.units]
        assert found.outcome in {Outcome.ONE, Outcome.SEVERAL}

    def test_a_commune_that_ended_without_a_known_successor_says_so(self):
        found = UNITS.translate("COMMUNE", "03751", on=date(2024, 5, 1), to=TODAY)
        assert found is not None
        assert (found.outcome, found.units, found.sure) == (Outcome.UNKNOWN, (), None)

    def test_a_unit_that_is_not_in_the_list_of_its_day_is_none(self):
        assert UNITS.translate("PROVINCE", "74", on=TODAY, to=BEFORE) is None

    def test_every_commune_of_june_2025_leads_somewhere(self):
        kinds = dict.fromkeys(Outcome, 0)
        for code in communes(BEFORE):
            found = UNITS.translate("COMMUNE", code, on=BEFORE, to=AFTER)
            assert found is not None
            kinds[found.outcome] += 1
            assert found.units
            assert sum(r.is_default for r in found.units) == 1
            if found.outcome is Outcome.ONE:
                assert sum(r.extent is Extent.WHOLE for r in found.units) == 1
        assert kinds[Outcome.UNKNOWN] == 0
        # 440 communes were split by area or people; of 59 of these one part holds everybody.
        assert kinds[Outcome.SEVERAL] == 381

    def test_every_commune_of_july_2025_comes_from_somewhere_and_both_ways_agree(self):
        forward = set()
        for old in communes(BEFORE):
            became = UNITS.translate("COMMUNE", old, on=BEFORE, to=AFTER)
            assert became is not None
            forward |= {(old, r.unit.code) for r in became.units}
        backward = set()
        for new in communes(AFTER):
            found = UNITS.translate("COMMUNE", new, on=AFTER, to=BEFORE)
            assert found is not None
            assert found.units
            backward |= {(r.unit.code, new) for r in found.units if r.unit.level == "COMMUNE"}
        assert forward == backward

    def test_a_day_on_the_same_list_changes_nothing(self):
        for code in ("26740", "00070"):
            found = UNITS.translate("COMMUNE", code, on=AFTER, to=TODAY)
            assert found is not None
            assert found.outcome is Outcome.UNCHANGED
            assert found.sure == UNITS.unit("COMMUNE", code, TODAY)


class TestProvinceOf:
    def test_a_commune_lies_in_the_province_of_that_day(self):
        before, after = UNITS.province_of("25747", BEFORE), UNITS.province_of("25747", TODAY)
        assert before is not None
        assert after is not None
        assert (before.full_name, after.full_name) == ("Tỉnh Bình Dương", "Thành phố Hồ Chí Minh")
        assert UNITS.province_of("99999", TODAY) is None
