"""Counts in the units of another day: everybody once, and what is not known is said."""

from collections import Counter
from datetime import date

from svc_population.admin_units.succession import Extent, units_in_time
from svc_population.statistics.places import places

TODAY, BEFORE, EARLY = date(2026, 11, 24), date(2025, 6, 30), date(2024, 12, 31)
LISTS = units_in_time()


class TestPlaces:
    def test_every_commune_of_today_lies_in_one_former_province(self):
        found = places("PROVINCE", here=TODAY, to=BEFORE)
        assert len(found.of_commune) == 3321
        assert all(p.sure and p.unit is not None for p in found.of_commune.values())
        assert len({p.unit for p in found.of_commune.values()}) == 63
        assert found.partial == frozenset()

    def test_an_island_that_was_a_district_without_communes_belongs_to_its_province(self):
        # Con Dao was a district of Ba Ria - Vung Tau, and nothing under it.
        found = places("PROVINCE", here=TODAY, to=BEFORE).place("26732")
        assert found.unit is not None
        assert (found.unit.code, found.sure) == ("77", True)
        district = places("DISTRICT", here=TODAY, to=BEFORE).place("26732").unit
        assert district is not None
        assert (district.level, district.code) == ("DISTRICT", "755")

    def test_there_are_no_districts_today(self):
        assert not any(p.sure for p in places("DISTRICT", here=TODAY, to=TODAY).of_commune.values())

    def test_a_former_commune_is_complete_only_if_all_that_took_its_people_are_counted_for_it(self):
        found = places("COMMUNE", here=TODAY, to=BEFORE)
        counted = Counter(p.unit for p in found.of_commune.values() if p.sure)
        checked = 0
        for unit in counted:
            moved = LISTS.translate("COMMUNE", unit.code, on=BEFORE, to=TODAY) if unit else None
            if unit is None or moved is None:
                continue
            holders = [r.unit.code for r in moved.units if r.extent is not Extent.LAND]
            whole = all(found.place(code).unit == unit for code in holders)
            assert whole is (unit not in found.partial), unit.code
            checked += 1
        assert checked > 100

    def test_communes_beside_one_that_ended_without_a_successor_are_not_complete(self):
        # 03751 ended in February 2025; whoever took its people lay in the same district.
        ended = LISTS.unit("COMMUNE", "03751", EARLY)
        assert ended is not None
        found = places("COMMUNE", here=TODAY, to=EARLY)
        beside = {u for u in found.partial if u.parent_code == ended.parent_code}
        assert len(beside) > 1
        assert all(p.unit is None or p.unit.parent_code != ended.parent_code or p.unit in beside
                   for p in found.of_commune.values())  # fmt: skip

    def test_a_code_that_todays_list_has_not_is_counted_for_the_country_alone(self):
        assert places("COUNTRY", here=TODAY, to=TODAY).place("99999").sure
        assert not places("PROVINCE", here=TODAY, to=TODAY).place("99999").sure
        assert places("PROVINCE", here=TODAY, to=TODAY).place("").sure
