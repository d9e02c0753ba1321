"""Names as a clerk would compare them."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_insurance_link.participants.name_folding import fold, same_initials


class TestFold:
    @pytest.mark.parametrize(
        ("left", "right"),
        [("Hoà", "Hòa"), ("thuý", "THÚY"), ("khoẻ", "khỏe"), (" Nguyễn  Văn An ", "NGUYỄN VĂN AN")],
    )
    def test_the_place_of_the_tone_mark_case_and_blanks_do_not_count(self, left: str, right: str) -> None:
        assert fold(left) == fold(right)

    @pytest.mark.parametrize(
        ("left", "right"), [("Hoa", "Hòa"), ("Đức", "Dức"), ("An", "Ân"), ("Văn An", "An Văn")]
    )
    def test_other_names_stay_other_names(self, left: str, right: str) -> None:
        assert fold(left) != fold(right)

    @given(st.text("aăâeêioôơuưyđnhc àáảãạ", max_size=30))
    def test_composed_and_decomposed_text_are_the_same(self, name: str) -> None:
        assert fold(unicodedata.normalize("NFD", name)) == fold(unicodedata.normalize("NFC", name))

    def test_initials(self) -> None:
        assert same_initials(fold("Nguyễn Văn An"), fold("Nguyên Vân Anh"))
        assert not same_initials(fold("Đỗ An"), fold("Dỗ An"))
        assert not same_initials(fold("Nguyễn An"), fold("Nguyễn Văn An"))
