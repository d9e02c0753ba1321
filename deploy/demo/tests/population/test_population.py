import csv
import gc
import hashlib
from collections import Counter
from datetime import date

import numpy as np
import pytest
from ndx_contracts.population import Sex
from ndx_demo.population.cast import couples, elders
from ndx_demo.population.households import CHILD, NOBODY, SPOUSE, YEAR
from ndx_demo.population.mix import count_by_age
from ndx_demo.population.numbers import PER_PREFIX, permuted
from ndx_demo.population.people import AS_OF, CAST_COMMUNE, Block, TooFew, blocks, day_number, years_of
from ndx_demo.population.pyramid import pyramid
from ndx_demo.population.rows import lines
from ndx_demo.population.tables import matrilineal, names, places
from svc_population.imports.layout import COLUMNS
from svc_population.personal_ids.personal_id import faults

SIZE = 60_000


def _digest(people, seed):
    digest = hashlib.sha256()
    for text in lines(people, seed=seed):
        digest.update(text.encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def two_blocks() -> list[Block]:
    return list(blocks(SIZE, seed=7))


@pytest.fixture(scope="module")
def block(two_blocks) -> Block:
    return two_blocks[0]


@pytest.fixture(scope="module")
def table():
    text = "".join(lines(3_000, seed=5)).splitlines()
    return list(csv.DictReader(text))


@pytest.fixture(scope="module")
def known(table):
    return {row["personal_id"]: row for row in table}


class TestFile:
    def test_the_same_seed_makes_the_same_file(self):
        assert _digest(2_000, 3) == _digest(2_000, 3)
        assert _digest(2_000, 3) != _digest(2_000, 4)

    def test_it_has_the_layout_and_exactly_as_many_people_as_wanted(self, table):
        assert tuple(table[0]) == COLUMNS
        assert len(table) == 3_000

    def test_a_hundred_million_people_begin_at_once(self):
        file = lines(100_000_000, seed=3)
        assert next(file).startswith(COLUMNS[0])
        assert 10_000 < next(file).count("\n") < 200_000

    def test_a_block_is_let_go_when_the_next_is_made(self):
        def alive():
            return sum(isinstance(one, Block) for one in gc.get_objects())

        before = alive()
        kept = [alive() - before for _ in lines(130_000, seed=3)]
        assert len(kept) > 3
        assert max(kept) == 1

    def test_fewer_than_a_thousand_people_are_refused(self):
        with pytest.raises(TooFew):
            next(iter(blocks(10, seed=1)))

    def test_links_lead_to_people_in_the_file(self, table):
        known = {row["personal_id"] for row in table}
        for row in table:
            for name in ("mother_personal_id", "father_personal_id", "spouse_personal_id"):
                assert row[name] == "" or row[name] in known

    def test_a_number_fits_its_holder(self, table):
        for row in table:
            born = date.fromisoformat(row["birth_date"])
            on = born if born >= date(2025, 7, 1) else date(2025, 6, 30)
            found = faults(row["personal_id"], birth_year=born.year, sex=Sex(row["sex"]), allocated_on=on)
            assert found == ()
            assert row["personal_id"][1:3] == row["birth_registration_province_code"]

    def test_only_the_dead_have_a_date_of_death(self, table):
        assert {row["life_status"] for row in table} == {"ALIVE", "DECEASED"}
        for row in table:
            assert (row["life_status"] == "DECEASED") == (row["death_or_missing_date"] != "")

    def test_telephones_reach_nobody(self, table):
        assert all(row["phone"] == "" or row["phone"].startswith("+840") for row in table)


class TestNumbers:
    def test_no_number_is_given_twice(self, two_blocks):
        numbers = np.concatenate([b.number for b in two_blocks])
        assert len(numbers) == SIZE == len(np.unique(numbers))

    def test_the_permutation_is_a_bijection(self):
        every = np.arange(PER_PREFIX)
        mapped = permuted(1, np.full(PER_PREFIX, 79198), every)
        assert np.array_equal(np.sort(mapped), every)


class TestDistributions:
    def test_living_people_follow_the_age_pyramid(self, block):
        living = block.people.take(np.flatnonzero(block.people.died == NOBODY))
        counted = count_by_age(living, day_number(AS_OF))
        bands = (counted / counted.sum()).reshape(2, 10, 10).sum(axis=2)
        wanted = pyramid().reshape(2, 10, 10).sum(axis=2)
        assert np.abs(bands - wanted).max() < 0.012

    def test_family_names_of_the_majority_have_the_published_shares(self, block):
        words = names().vocabulary.words
        kinh = Counter(words[s] for s in block.names.surname[block.group == 1].tolist())
        for name, share in (("Nguyễn", 0.384), ("Trần", 0.121), ("Lê", 0.095), ("Phạm", 0.070)):
            assert abs(kinh[name] / kinh.total() - share) < 0.012

    def test_most_women_born_before_1975_are_called_thi(self, block):
        words = names().vocabulary.words
        older = (block.people.sex == 1) & (years_of(block.people.born) < 1975)
        thi = sum(words[m] == "Thị" for m in block.names.middle[older].tolist())
        assert 0.45 < thi / older.sum() < 0.85

    def test_provinces_and_groups_have_their_weights(self, block):
        table = places()
        at = table.province[block.commune[block.people.household >= 400]]
        share = np.bincount(at, minlength=34) / len(at)
        assert np.abs(share - table.province_share).max() < 0.012
        assert abs((block.group == 1).mean() - 0.853) < 0.03

    def test_twins_are_about_one_birth_in_eighty(self, block):
        children = np.flatnonzero((block.people.mother != NOBODY) & (block.people.relation == CHILD))
        births = Counter(zip(block.people.mother[children], block.people.born[children], strict=True))
        assert 0.006 < sum(n == 2 for n in births.values()) / len(births) < 0.02


class TestHouseholds:
    def test_parents_have_plausible_ages_and_sexes(self, block):
        people = block.people
        for link, sex, low, high in ((people.mother, 1, 16.9, 47), (people.father, 0, 17.9, 63)):
            child = np.flatnonzero(link != NOBODY)
            age = (people.born[child] - people.born[link[child]]) / YEAR
            assert (people.sex[link[child]] == sex).all()
            assert age.min() > low
            assert age.max() < high

    def test_births_of_a_mother_lie_ten_months_apart_or_are_twins(self, block):
        days: dict[int, list[int]] = {}
        for mother, born in zip(block.people.mother.tolist(), block.people.born.tolist(), strict=True):
            if mother != NOBODY:
                days.setdefault(mother, []).append(born)
        gaps = [
            b - a for found in days.values() for a, b in zip(sorted(found), sorted(found)[1:], strict=False)
        ]
        assert all(gap == 0 or gap >= 300 for gap in gaps)

    def test_spouses_name_each_other(self, block):
        spouse = block.people.spouse
        married = np.flatnonzero(spouse != NOBODY)
        assert np.array_equal(spouse[spouse[married]], married)
        assert (block.people.sex[married] != block.people.sex[spouse[married]]).all()

    def test_children_bear_the_fathers_name_unless_descent_is_by_the_mother(self, block):
        child = np.flatnonzero((block.people.father != NOBODY) & (block.group == 1))
        same = block.names.surname[child] == block.names.surname[block.people.father[child]]
        assert same.all()
        maternal = np.flatnonzero(matrilineal()[block.group] & (block.people.mother != NOBODY))
        of_mother = block.names.surname[maternal] == block.names.surname[block.people.mother[maternal]]
        assert of_mother.mean() > 0.75

    def test_everybody_was_born_by_the_day_of_the_picture_and_dies_after_birth(self, block):
        assert block.people.born.max() <= day_number(AS_OF)
        dead = block.people.died != NOBODY
        assert (block.people.died[dead] > block.people.born[dead]).all()

    def test_wives_live_with_their_husbands(self, block):
        wives = np.flatnonzero((block.people.relation == SPOUSE) & (block.people.died == NOBODY))
        assert (block.people.household[wives] == block.people.household[block.people.spouse[wives]]).all()


class TestCast:
    """Who can be sent on the walk: people of the file who live in the demo's commune."""

    def test_couples_are_in_the_file_married_to_each_other_and_live_in_the_commune(self, known):
        found = list(couples(3_000, seed=5))
        assert len(found) >= 25
        for couple in found:
            for who, other in ((couple.mother, couple.father), (couple.father, couple.mother)):
                row = known[who.personal_id]
                assert row["spouse_personal_id"] == other.personal_id
                assert row["permanent_commune_code"] == CAST_COMMUNE
                assert row["marital_status"] == "MARRIED"
                parts = (row["surname"], row["middle_name"], row["given_name"])
                assert who.full_name == " ".join(p for p in parts if p)
                assert who.birth_date == date.fromisoformat(row["birth_date"])
            assert known[couple.mother.personal_id]["sex"] == "FEMALE"

    def test_a_couple_has_no_child_so_young_that_another_would_be_suspected(self, known):
        mothers = {couple.mother.personal_id for couple in couples(3_000, seed=5)}
        for row in known.values():
            if row["mother_personal_id"] in mothers:
                assert (AS_OF - date.fromisoformat(row["birth_date"])).days >= 2 * 365

    def test_nobody_walks_twice(self):
        found = list(couples(3_000, seed=5))
        assert len({c.mother.personal_id for c in found} | {c.father.personal_id for c in found}) == 2 * len(
            found
        )

    def test_old_people_of_the_commune_live_alone(self, known):
        found = list(elders(3_000, seed=5))
        assert len(found) >= 10
        living = Counter(r["household_number"] for r in known.values() if r["life_status"] == "ALIVE")
        for elder in found:
            row = known[elder.personal_id]
            assert row["permanent_commune_code"] == CAST_COMMUNE
            assert row["life_status"] == "ALIVE"
            assert living[row["household_number"]] == 1
            assert AS_OF.year - elder.birth_date.year >= 75
