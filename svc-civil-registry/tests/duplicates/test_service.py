"""The duplicate rules, on the cases that other registries got wrong."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_civil_registry.duplicates.name_folding import fold, similar, variant_key
from svc_civil_registry.duplicates.service import BirthFacts, find_hits, rules_in_force

DAY = date(2026, 11, 24)
FIRST = BirthFacts(
    birth_id=uuid4(),
    child_name="Nguyễn Minh An",
    birth_date=date(2026, 3, 1),
    plurality=1,
    birth_order=1,
    mother_name="Trần Thị Hoà",
    mother_personal_id="079198000001",
    mother_birth_year=1998,
    notice="GCS-1",
)


def fired(one: BirthFacts, other: BirthFacts) -> set[str]:
    return {h.rule for h in find_hits(one, [other], day=DAY)}


class TestRules:
    def test_the_same_declaration_fires(self) -> None:
        again = replace(FIRST, birth_id=uuid4())
        assert "similar-child-and-mother" in fired(again, FIRST)
        assert "same-birth-notice" in fired(again, FIRST)

    def test_a_mother_without_number_is_known_by_name_and_year(self) -> None:
        again = replace(
            FIRST, birth_id=uuid4(), mother_personal_id=None, mother_name="TRẦN THỊ HÒA", notice=None
        )
        assert fired(again, FIRST) == {"similar-child-and-mother"}
        assert fired(replace(again, mother_birth_year=1990), FIRST) == set()

    def test_births_of_one_mother_less_than_nine_months_apart_fire(self) -> None:
        later = replace(
            FIRST,
            birth_id=uuid4(),
            child_name="Nguyễn Gia Bảo",
            birth_date=FIRST.birth_date + timedelta(days=200),
            notice="GCS-2",
        )
        assert fired(later, FIRST) == {"implausible-spacing"}
        plausible = replace(later, birth_date=FIRST.birth_date + timedelta(days=300))
        assert fired(plausible, FIRST) == set()

    def test_a_birth_date_up_to_three_years_off_fires_for_the_same_name(self) -> None:
        later = replace(
            FIRST, birth_id=uuid4(), birth_date=FIRST.birth_date + timedelta(days=1000), notice=None
        )
        assert fired(later, FIRST) == {"same-name-same-mother"}

    def test_twins_of_different_names_do_not_fire(self) -> None:
        twin = replace(FIRST, birth_id=uuid4(), child_name="Nguyễn Gia Bảo", notice="GCS-2")
        assert fired(twin, FIRST) == set()

    def test_twins_whose_names_differ_only_in_accents_are_told_apart_by_their_order(self) -> None:
        one = replace(FIRST, child_name="Nguyễn Minh Ánh", plurality=2, birth_order=2, birth_id=uuid4())
        assert fired(one, replace(FIRST, child_name="Nguyễn Minh Anh", plurality=2)) == set()
        assert fired(replace(one, birth_order=1), replace(FIRST, plurality=2, child_name="Nguyễn Minh Anh"))

    def test_namesakes_of_other_mothers_do_not_fire(self) -> None:
        namesake = replace(FIRST, birth_id=uuid4(), mother_personal_id="079198000002", notice="GCS-2")
        assert fired(namesake, FIRST) == set()

    def test_foundlings_of_one_name_and_day_fire(self) -> None:
        found = replace(FIRST, mother_name=None, mother_personal_id=None, mother_birth_year=None, notice=None)
        assert fired(replace(found, birth_id=uuid4()), found) == {"same-child-no-mother"}

    @given(days=st.integers(min_value=0, max_value=1500), name=st.sampled_from(["Nguyễn Minh An", "Lê Bảo"]))
    def test_a_suspicion_is_mutual(self, days: int, name: str) -> None:
        other = replace(
            FIRST, birth_id=uuid4(), child_name=name, birth_date=FIRST.birth_date - timedelta(days=days)
        )
        assert fired(other, FIRST) == fired(FIRST, other)

    def test_rules_have_a_time_of_effect(self) -> None:
        assert rules_in_force(date(2015, 12, 31)) == ()
        assert len(rules_in_force(DAY)) == 5


class TestNameFolding:
    @pytest.mark.parametrize(
        ("one", "other"),
        [("hoà", "hòa"), ("ĐỖ", "đỗ"), ("Thuý", "Thúy"), ("Nguyễn  Thị", "NGUYỄN THỊ")],
    )
    def test_forms_of_one_name_fold_alike(self, one: str, other: str) -> None:
        assert fold(one) == fold(other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("Vũ Văn Lý", "Võ Lí"),
            ("Hoàng Thị Mai", "Huỳnh Mai"),
            ("Mai Hoàng", "Hoàng Mai"),
            ("Nguyễn Thanh", "Nguyen Thành"),
            ("Trương Nghiem", "Trương Nghiêm"),
            ("Phan Hương", "Phan Huong"),
            ("Phan Phuong", "Phan Phung"),
        ],
    )
    def test_variants_are_similar(self, one: str, other: str) -> None:
        assert similar(one, other)
        assert similar(other, one)

    @pytest.mark.parametrize(
        ("one", "other"), [("Lê An", "Lê Ân Bảo"), ("Lê Lan", "Lê Lam"), ("Lê Minh Anh", "Lê Bảo Anh")]
    )
    def test_short_syllables_must_be_equal(self, one: str, other: str) -> None:
        assert not similar(one, other)

    @given(st.text(alphabet="aăâbcdđeêghiklmnoôơpqrstuưvxyàáảãạ ", min_size=1, max_size=30))
    def test_a_name_is_similar_to_itself_in_any_case(self, name: str) -> None:
        assert similar(name, name.upper())
        assert variant_key(name) == variant_key(name.title())
