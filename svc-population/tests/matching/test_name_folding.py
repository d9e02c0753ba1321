"""Names are cleaned, folded and compared as a clerk would; every real name folds stably."""

import csv
import unicodedata
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_contracts.names import same_name
from svc_population.admin_units import code_lists
from svc_population.matching.name_folding import (
    MOST_SPELLINGS,
    NameAgreement,
    NameUnclear,
    agreement,
    canonical_tones,
    cleaned,
    exact_key,
    spellings,
    tokens,
    unaccented_key,
)


def _listed(file: str) -> list[str]:
    text = resources.files("ndx_demo.population").joinpath("data", file).read_text(encoding="utf-8")
    return [row["name"] for row in csv.DictReader(text.splitlines())]


REAL_NAMES = sorted(
    {n for f in ("surnames.csv", "middle_names.csv", "given_names.csv") for n in _listed(f)}
    | {unit["name"] for unit in code_lists.units() if not any(c.isdigit() for c in unit["name"])}
)
LETTERS = "aáàảãạăắằẳẵặâấầẩẫậbcdđeéèẻẽẹêếềểễệghiíìỉĩịklmnoóòỏõọôốồổỗộơớờởỡợpqrstuúùủũụưứừửữựvxyýỳỷỹỵ"
made_up = st.lists(st.text(LETTERS, min_size=1, max_size=7), min_size=1, max_size=5).map(" ".join)


class TestFoldNames:
    @pytest.mark.parametrize(
        ("given_form", "canonical"),
        [
            ("Hoà", "Hòa"),
            ("thuý", "thúy"),
            ("KHOẺ", "KHỎE"),
            ("Hòa", "Hòa"),
            ("quý", "quý"),
            ("toàn", "toàn"),
            ("Nguyễn", "Nguyễn"),
            ("Phượng", "Phượng"),
            ("Giàu", "Giàu"),
            ("gìn", "gìn"),
            ("khuỷu", "khuỷu"),
            ("Ngoại", "Ngoại"),
            ("H'Hen Niê", "H'Hen Niê"),
        ],
    )
    def test_tone_marks_go_to_their_old_place_and_right_ones_stay(self, given_form, canonical):
        assert canonical_tones(given_form) == canonical

    def test_every_real_name_folds_stably_and_remains_the_same_name(self):
        assert len(REAL_NAMES) > 3000
        for name in REAL_NAMES:
            folded = canonical_tones(name)
            assert canonical_tones(folded) == folded
            assert same_name(folded, name), name
            assert unaccented_key(folded) == unaccented_key(name)
            assert cleaned(cleaned(name)) == cleaned(name)
            assert agreement(name, folded.upper()) is NameAgreement.SAME

    @given(made_up)
    def test_folding_twice_changes_nothing_and_forms_of_unicode_make_no_difference(self, name):
        for fold in (cleaned, exact_key, canonical_tones, unaccented_key):
            assert fold(fold(name)) == fold(name)
            assert fold(unicodedata.normalize("NFD", name)) == fold(unicodedata.normalize("NFC", name))

    @given(made_up)
    def test_the_widest_key_has_no_accents(self, name):
        assert unaccented_key(name).replace(" ", "").isascii()
        assert unaccented_key(canonical_tones(name)) == unaccented_key(name)

    @given(st.text(max_size=200))
    def test_any_text_is_a_clean_name_or_is_refused(self, text):
        try:
            name = cleaned(text)
        except NameUnclear:
            return
        assert name == unicodedata.normalize("NFC", name)
        assert tokens(name)

    @given(made_up)
    def test_spellings_start_with_the_name_itself_and_are_few(self, name):
        found = spellings(unaccented_key(name))
        assert found[0] == unaccented_key(name)
        assert len(set(found)) == len(found) <= MOST_SPELLINGS

    def test_variants_are_spelt_out(self):
        assert set(spellings("VU THI LY")) == {"VU THI LY", "VU THI LI", "VU THY LY", "VU THY LI"} | {
            f"VO {rest}" for rest in ("THI LY", "THI LI", "THY LY", "THY LI")
        }
        assert "HUYNH MAI" in spellings("HOANG MAI")
        assert spellings("NGUYEN THUY") == ("NGUYEN THUY",)


class TestCleanNames:
    @pytest.mark.parametrize(
        ("raw", "clean"),
        [
            ("Ｎｇｕｙễｎ　Ａn", "Nguyễn An"),
            ("Ngu\u200byễn\ufeff An", "Nguyễn An"),
            ("Nguye\u0302\u0303n A\u0301n", "Nguyễn Án"),
            ("Nguye\u0303\u0302n An", "Nguyẽ\u0302n An"),
            ("  H’Hen \t Niê ", "H'Hen Niê"),
            ("Y-Bhiăng", "Y-Bhiăng"),
            ("Ðỗ Văn ðức", "Đỗ Văn đức"),  # U+00D0 and U+00F0
        ],
    )
    def test_what_looks_like_a_name_becomes_one(self, raw, clean):
        assert cleaned(raw) == unicodedata.normalize("NFC", clean)

    @pytest.mark.parametrize(
        "raw",
        [
            "",
            " \u200b ",
            "Nguyễn 2",
            "Nguyễn\x00An",
            "Nguyễn <b>",
            "=CMD()",
            "Нгуен",
            "Nguyễn Аn",  # a Cyrillic letter that looks like a Latin one
            "阮",
            "-",
            "\u0301",
            "A" * 151,
        ],
    )
    def test_what_cannot_be_a_name_is_refused(self, raw):
        with pytest.raises(NameUnclear):
            cleaned(raw)


class TestCompareNames:
    @pytest.mark.parametrize(
        ("one", "other", "how"),
        [
            ("Nguyễn Thị Hoà", "NGUYỄN THỊ HÒA", NameAgreement.SAME),
            ("Vũ Văn An", "Võ Văn An", NameAgreement.VARIANT),
            ("Hoàng Mai", "Huỳnh Mai", NameAgreement.VARIANT),
            ("Lý Thường", "Lí Thường", NameAgreement.VARIANT),
            ("Trần Mỹ", "Trần Mĩ", NameAgreement.VARIANT),
            ("Nguyễn Thị Hoa", "Nguyễn Hoa", NameAgreement.VARIANT),
            ("Nguyễn Văn An", "Nguyễn An", NameAgreement.MIDDLE_MISSING),
            ("Nguyễn Hòa", "Nguyen Hoa", NameAgreement.UNACCENTED),
            ("Trần Dũng", "Trần Đung", NameAgreement.UNACCENTED),
            ("Văn An Nguyễn", "Nguyễn Văn An", NameAgreement.REORDERED),
            ("Nguyễn Văn An", "Trần Minh An", NameAgreement.GIVEN_NAME_ONLY),
            ("Nguyễn Văn An", "Nguyễn Văn Bình", NameAgreement.DIFFERENT),
            ("Vu An", "Vo An", NameAgreement.GIVEN_NAME_ONLY),
            ("Vũ Văn An", "vu van an", NameAgreement.UNACCENTED),
            ("Vũ Văn An", "vo van an", NameAgreement.UNACCENTED),
            ("Võ Văn An", "vu van an", NameAgreement.UNACCENTED),
            ("Huỳnh Mỹ", "huynh my", NameAgreement.UNACCENTED),
            ("Huỳnh Mỹ", "hoang mi", NameAgreement.UNACCENTED),
            ("Vũ Văn An", "an vu van", NameAgreement.REORDERED),
            ("Nguyễn Văn An", "nguyen an", NameAgreement.UNACCENTED_MIDDLE_MISSING),
            ("Huỳnh Thị Mỹ", "huynh my", NameAgreement.UNACCENTED_MIDDLE_MISSING),
            ("Đỗ Văn Đức", "Ðỗ Văn Ðức", NameAgreement.SAME),
            ("H'Hen Niê", "H’Hen Niê", NameAgreement.SAME),
            ("Thuý", "Thúi", NameAgreement.DIFFERENT),
        ],
    )
    def test_how_near_two_names_are(self, one, other, how):
        assert agreement(one, other) is how
        assert agreement(other, one) is how

    @given(made_up, made_up)
    def test_the_order_of_the_two_makes_no_difference(self, one, other):
        assert agreement(one, other) is agreement(other, one)
        assert agreement(one, one) is NameAgreement.SAME
