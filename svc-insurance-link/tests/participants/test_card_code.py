"""The grammar of old card codes."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_insurance_link.participants.card_code import CardCodeFaulty, Fault, parse_card_code

digits = st.text("0123456789", min_size=10, max_size=10)


class TestParseCardCode:
    def test_the_parts_are_read(self) -> None:
        code = parse_card_code("te 1 79 7912345678")
        assert (code.participant_group, code.benefit_level, code.province_code) == ("TE", 1, "79")
        assert code.social_insurance_number == "7912345678"

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("TE1791234567", Fault.SHAPE),
            ("1E1797912345678", Fault.SHAPE),
            ("", Fault.SHAPE),
            ("TE1797912345678\n9", Fault.SHAPE),
            ("TE6797912345678", Fault.BENEFIT_LEVEL),
            ("TE0797912345678", Fault.BENEFIT_LEVEL),
            ("TE1007912345678", Fault.PROVINCE),
            ("TE1137912345678", Fault.PROVINCE),
        ],
    )
    def test_the_wrong_part_is_named(self, text: str, fault: Fault) -> None:
        with pytest.raises(CardCodeFaulty) as caught:
            parse_card_code(text)
        assert caught.value.fault is fault

    @given(group=st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=2, max_size=2), number=digits)
    def test_what_is_written_is_read_again(self, group: str, number: str) -> None:
        text = f"{group}479{number}"
        assert str(parse_card_code(text.lower())) == text

    @given(st.text(max_size=20))
    def test_any_text_is_either_a_code_or_a_named_fault(self, text: str) -> None:
        with contextlib.suppress(CardCodeFaulty):
            assert len(str(parse_card_code(text))) == 15
