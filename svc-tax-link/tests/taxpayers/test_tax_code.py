"""The grammar of legacy tax codes."""

import contextlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from svc_tax_link.taxpayers.tax_code import TaxCodeInvalid, check_digit, parse_tax_code

nine_digits = st.text("0123456789", min_size=9, max_size=9)


@st.composite
def codes(draw: st.DrawFn) -> str:
    nine = draw(nine_digits)
    digit = check_digit(nine)
    assume(digit is not None and nine[2:9] != "0" * 7)
    return f"{nine}{digit}"


class TestParseTaxCode:
    @pytest.mark.parametrize(
        ("text", "stored"),
        [
            ("0100233488", "0100233488"),
            ("01002 33488", "0100233488"),
            ("0314409058-002", "0314409058-002"),
            ("0314409058002", "0314409058-002"),
        ],
    )
    def test_published_examples(self, text: str, stored: str) -> None:
        assert parse_tax_code(text) == stored

    @pytest.mark.parametrize(
        "text",
        ["0100233480", "0314409058-000", "012345678", "01002334881", "010023348x", "", "0100000007"],
    )
    def test_what_is_none_is_refused_without_repeating_it(self, text: str) -> None:
        with pytest.raises(TaxCodeInvalid) as caught:
            parse_tax_code(text)
        assert not text or text not in str(caught.value)

    def test_the_value_ten_is_never_a_check_digit(self) -> None:
        assert check_digit("000000000") is None

    @given(codes(), st.integers(0, 9), st.integers(0, 9))
    def test_a_single_wrong_digit_is_always_noticed(self, code: str, place: int, digit: int) -> None:
        assume(code[place] != str(digit))
        with pytest.raises(TaxCodeInvalid):
            parse_tax_code(code[:place] + str(digit) + code[place + 1 :])

    @given(codes(), st.integers(1, 999))
    def test_both_written_forms_of_a_branch_are_stored_as_one(self, code: str, branch: int) -> None:
        stored = f"{code}-{branch:03d}"
        assert parse_tax_code(stored) == parse_tax_code(stored.replace("-", "")) == stored

    @given(st.text(max_size=20))
    def test_no_text_makes_it_fail_in_another_way(self, text: str) -> None:
        with contextlib.suppress(TaxCodeInvalid):
            parse_tax_code(text)
