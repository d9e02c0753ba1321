"""Spellings of one name are equal, two names are not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_contracts.names import composed, same_name, tone_key

_ONSETS = ["", "h", "ng", "tr", "qu", "gi", "th", "đ", "kh"]
_RHYMES = ["oa", "oe", "uy", "a", "ê", "ươ", "oan", "uyên", "ai", "oai", "ô", "ưu", "ăn", "iê", "oang"]
_TONES = ["", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"]


@st.composite
def syllables(draw: st.DrawFn) -> tuple[str, str]:
    """Give one syllable in two spellings: the tone mark on two of its vowels."""
    onset, rhyme, tone = (draw(st.sampled_from(s)) for s in (_ONSETS, _RHYMES, _TONES))
    letters = unicodedata.normalize("NFC", onset + rhyme)
    vowels = [
        i for i in range(len(onset), len(letters)) if unicodedata.normalize("NFD", letters[i])[0] in "aeiouy"
    ]
    one, other = draw(st.sampled_from(vowels)), draw(st.sampled_from(vowels))
    return letters[: one + 1] + tone + letters[one + 1 :], letters[: other + 1] + tone + letters[other + 1 :]


names = st.lists(syllables(), min_size=1, max_size=5)


class TestNameFolding:
    @given(names)
    def test_the_place_of_the_tone_mark_case_and_composition_make_no_difference(self, parts):
        one = " ".join(p[0] for p in parts)
        other = "  ".join(unicodedata.normalize("NFC", p[1]) for p in parts).upper()
        assert same_name(one, other)

    @given(st.text())
    def test_folding_takes_any_text_and_is_stable(self, text):
        assert composed(composed(text)) == composed(text)
        assert same_name(text, text)
        assert isinstance(tone_key(text), str)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("Hoà", "Hòa"), ("thuý", "THÚY"), ("khoẻ", "khỏe"), (" Nguyễn  Văn An ", "NGUYỄN VĂN AN")],
    )
    def test_a_clerk_takes_them_for_one(self, one, other):
        assert same_name(one, other)

    @pytest.mark.parametrize(
        ("one", "other"),
        [("Hòa", "Hóa"), ("Hoa", "Hòa"), ("Dung", "Đung"), ("An", "Ân"), ("Văn An", "An Văn")],
    )
    def test_two_names_stay_two(self, one, other):
        assert not same_name(one, other)
