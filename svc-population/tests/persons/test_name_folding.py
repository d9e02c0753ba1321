"""Spellings of one name are equal, two names are not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.persons.name_folding import composed, same_name, tone_canonical, tone_key, unaccented

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

    @given(names)
    def test_canonical_spelling_is_the_same_name_and_stable(self, parts):
        one, other = (" ".join(p[i] for p in parts) for i in (0, 1))
        assert same_name(tone_canonical(one), one)
        assert tone_canonical(tone_canonical(one)) == tone_canonical(one) == tone_canonical(other)

    @given(names)
    def test_unaccented_names_are_ascii(self, parts):
        assert unaccented(" ".join(p[0] for p in parts)).isascii()

    @given(st.text())
    def test_folding_takes_any_text_and_is_stable(self, text):
        assert composed(composed(text)) == composed(text)
        assert same_name(text, text)
        assert isinstance(tone_key(text), str)

    @pytest.mark.parametrize(
        ("newer", "older"),
        [
            ("Hoà", "Hòa"),
            ("Thuý", "Thúy"),
            ("Khoẻ", "Khỏe"),
            ("Nguyễn", "Nguyễn"),
            ("Toàn", "Toàn"),
            ("Quý", "Quý"),
        ],
    )
    def test_the_older_place_is_canonical(self, newer, older):
        assert tone_canonical(newer) == unicodedata.normalize("NFC", older)

    def test_two_names_stay_two(self):
        assert not same_name("Hòa", "Hóa")
        assert not same_name("Hoa", "Hòa")
        assert not same_name("Dung", "Đung")
