"""Evidence adds up to three zones, and a name with a birth date alone is never sure."""

from datetime import date
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from svc_population.matching.birth_dates import PartialDate
from svc_population.matching.grading import Claimed, MatchZone, Reason, Weighed, judge, weigh

ROW = {
    "personal_id": "079190000011",
    "surname": "Trần",
    "middle_name": "Thị",
    "given_name": "Hoà",
    "birth_date": date(1990, 5, 17),
    "sex": "FEMALE",
    "legacy_id_number": "024111222",
    "home_town_province_code": "40",
    "permanent_province_code": "79",
    "permanent_commune_code": "26740",
    "temporary_province_code": None,
    "temporary_commune_code": None,
    "current_province_code": None,
    "current_commune_code": None,
    "birth_registration_province_code": "79",
    "birth_registration_commune_code": "26740",
}


def claimed(name="Trần Thị Hòa", born="1990-05-17", **more):
    return Claimed(name=name, birth_date=PartialDate.parse(born), **more)


def verdict(**facts):
    return judge([weigh(claimed(**facts), ROW)])


class TestJudge:
    @pytest.mark.parametrize(
        "facts",
        [
            {"personal_id": "079190000011"},
            {"legacy_id_number": "024111222"},
            {"commune_code": "26740"},
            {"commune_code": "26740", "province_code": "79", "sex": "FEMALE"},
            {"province_code": "79", "home_town_province_code": "40"},
            {"name": "Trần Hoà", "commune_code": "26740", "sex": "FEMALE"},
        ],
    )
    def test_enough_evidence_is_sure(self, facts):
        found = verdict(**facts)
        assert (found.zone, found.personal_id, found.reasons) == (MatchZone.SURE, "079190000011", ())

    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            ({}, Reason.NAME_AND_BIRTH_DATE_ALONE),
            ({"sex": "FEMALE"}, Reason.NAME_AND_BIRTH_DATE_ALONE),
            ({"province_code": "79"}, Reason.EVIDENCE_WEAK),
            ({"commune_code": "26740", "sex": "MALE"}, Reason.SEX_DIFFERS),
            ({"legacy_id_number": "024111222", "province_code": "01"}, Reason.PLACE_DIFFERS),
            ({"personal_id": "079190000011", "name": "Trần Thị Hồng"}, Reason.NAME_DIFFERS),
            ({"personal_id": "079190000011", "born": "1990-05-18"}, Reason.BIRTH_DATE_DIFFERS),
            ({"personal_id": "079190000011", "born": "1990"}, Reason.BIRTH_DATE_PARTIAL),
            ({"personal_id": "079190000011", "legacy_id_number": "999999999"}, Reason.NUMBER_DIFFERS),
            ({"name": "tran thi hoa", "commune_code": "26740"}, Reason.NAME_DIFFERS),
        ],
    )
    def test_what_is_short_of_sure_says_why_and_names_nobody(self, facts, reason):
        found = verdict(**facts)
        assert (found.zone, found.personal_id) == (MatchZone.REVIEW, None)
        assert reason in found.reasons
        assert found.about == ("079190000011",)

    @pytest.mark.parametrize(
        "facts", [{"name": "Lê Văn Nam"}, {"born": "1970-01-02"}, {"personal_id": "001190000099"}]
    )
    def test_a_stranger_is_nobody(self, facts):
        found = verdict(**facts)
        assert (found.zone, found.about, found.reasons) == (MatchZone.NO, (), (Reason.NOBODY_LIKE_THIS,))

    def test_two_who_are_likely_are_not_sure(self):
        twin = {**ROW, "personal_id": "079190000012"}
        both = [weigh(claimed(commune_code="26740"), row) for row in (ROW, twin)]
        found = judge(both)
        assert (found.zone, found.reasons) == (MatchZone.REVIEW, (Reason.SEVERAL_ALIKE,))
        assert found.about == ("079190000011", "079190000012")

    def test_when_not_all_could_be_looked_at_nobody_is_sure(self):
        found = judge([weigh(claimed(commune_code="26740"), ROW)], too_many=True)
        assert (found.zone, found.reasons) == (MatchZone.REVIEW, (Reason.TOO_MANY_ALIKE,))

    @given(st.lists(st.floats(0, 1), max_size=6))
    def test_sure_is_one_person_whom_nobody_else_comes_near(self, probabilities):
        found = judge([Weighed(f"{n:012d}", p, ()) for n, p in enumerate(probabilities)])
        likely = sorted((p for p in probabilities if p >= 0.5), reverse=True)
        assert (found.zone is MatchZone.SURE) == (len(likely) == 1 and likely[0] >= 0.99)
        assert (found.personal_id is None) == (found.zone is not MatchZone.SURE)

    def test_no_spelling_of_name_and_birth_date_alone_is_sure(self):
        names = ("Trần Thị Hoà", "Trần Hoà", "TRẦN THỊ HOÀ")
        for name, sex, born in product(names, (None, "FEMALE"), ("1990-05-17", "1990", "1990-01-01")):
            assert verdict(name=name, sex=sex, born=born).zone is not MatchZone.SURE
