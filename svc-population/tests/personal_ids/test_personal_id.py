"""The grammar of numbers, and the permutation behind them."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_contracts.population import Sex
from svc_population.personal_ids.permutation import SerialPermutation
from svc_population.personal_ids.personal_id import (
    Fault,
    PersonalNumber,
    faults,
    known_place_codes,
    parse,
    place_code_of,
    place_of,
    places,
    prefix,
)

numbers = st.builds(
    PersonalNumber,
    place_code=st.sampled_from(sorted(known_place_codes())),
    sex=st.sampled_from(Sex),
    birth_year=st.integers(1900, 2399),
    serial=st.integers(0, 999_999),
)


class TestGrammar:
    @given(numbers)
    def test_a_number_says_what_it_was_made_of(self, number):
        assert parse(str(number)) == number
        assert faults(str(number), birth_year=number.birth_year, sex=number.sex) == ()

    @given(numbers, st.integers(1900, 2399), st.sampled_from(Sex))
    def test_a_number_that_does_not_fit_its_holder_is_a_fault(self, number, year, sex):
        found = faults(str(number), birth_year=year, sex=sex)
        assert (Fault.BIRTH_YEAR_DIFFERS in found) == (year != number.birth_year)
        assert (Fault.SEX_DIFFERS in found) == (sex is not number.sex)

    @given(st.text(max_size=14))
    def test_anything_else_is_no_number(self, text):
        if not (len(text) == 12 and text.isascii() and text.isdigit()):
            assert faults(text) == (Fault.SHAPE,)

    def test_century_and_sex_share_a_digit(self):
        assert prefix("079", Sex.MALE, 1985) == "079085"
        assert prefix("079", Sex.FEMALE, 2026) == "079326"
        with pytest.raises(ValueError, match="years"):
            prefix("079", Sex.MALE, 1899)

    def test_a_code_is_decoded_with_the_table_of_its_day(self):
        before, after = date(2025, 6, 30), date(2025, 7, 1)
        old, new = place_of("052", before), place_of("052", after)
        assert old is not None
        assert new is not None
        assert (old.name, new.name) == ("Bình Định", "Gia Lai")
        assert place_code_of("74", before) == "074"
        assert place_code_of("74", after) is None
        assert faults("074200000001", allocated_on=after) == (Fault.PLACE_UNKNOWN,)

    def test_the_table_is_whole(self):
        assert len([p for p in places() if p.valid_on(date(2020, 1, 1))]) == 63
        assert len([p for p in places() if p.valid_on(date(2026, 1, 1))]) == 34


class TestPermutation:
    @given(st.binary(min_size=16, max_size=40), st.text(max_size=6), st.integers(0, 999_999))
    def test_every_counter_value_can_be_found_again(self, key, prefix_, counter):
        permutation = SerialPermutation(key)
        serial = permutation.serial(prefix_, counter)
        assert 0 <= serial <= 999_999
        assert permutation.counter(prefix_, serial) == counter

    def test_no_two_counter_values_meet(self):
        permutation = SerialPermutation(b"0123456789abcdef")
        assert len({permutation.serial("079326", c) for c in range(20_000)}) == 20_000

    def test_neighbours_prefixes_and_keys_tell_nothing(self):
        one, other = SerialPermutation(b"0123456789abcdef"), SerialPermutation(b"0123456789abcdeg")
        first = [one.serial("079326", c) for c in range(50)]
        steps = {b - a for a, b in pairwise(first)}
        assert len(steps) == 49
        assert first != [other.serial("079326", c) for c in range(50)]
        assert first != [one.serial("079226", c) for c in range(50)]

    def test_bad_keys_and_counters_are_refused(self):
        with pytest.raises(ValueError, match="bytes"):
            SerialPermutation(b"short")
        with pytest.raises(ValueError, match="999999"):
            SerialPermutation(b"0123456789abcdef").serial("079326", 1_000_000)
