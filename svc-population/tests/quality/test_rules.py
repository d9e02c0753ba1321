"""Rules are data, and a wrong rule is refused before it counts anybody."""

from datetime import date

import pytest
from svc_population.quality.rules import read_rules, rules_on
from svc_population.quality.vocabulary import Dimension

GOOD = {
    "code": "ethnicity-missing",
    "dimension": "COMPLETE",
    "scope": "LIVING",
    "condition": "EMPTY",
    "columns": ["ethnicity_code"],
    "title_vi": "Thiếu dân tộc",
    "title": "No ethnicity",
    "source": "test",
    "effective_from": "2024-07-01",
}


class TestRules:
    def test_the_packaged_rules_are_of_all_four_dimensions_and_survive_being_kept(self):
        rules = rules_on(date(2026, 1, 1))
        assert {r.dimension for r in rules} == set(Dimension)
        assert read_rules(r.document() for r in rules) == rules

    def test_a_rule_counts_from_its_day_on(self):
        codes = {r.code for r in rules_on(date(2025, 6, 30))}
        assert "ethnicity-missing" in codes
        assert "permanent-commune-abolished" not in codes

    @pytest.mark.parametrize(
        ("changed", "wrong"),
        [
            ({"columns": ["ethnicity_code; DROP TABLE persons"]}, "columns"),
            ({"columns": []}, "columns"),
            ({"condition": "MATCHES"}, "pattern"),
            ({"condition": "AGE_PASSED", "columns": ["birth_date"]}, "years"),
            ({"condition": "DAY_PASSED", "columns": ["absence_until"], "scope": "ALL"}, "scope"),
            ({"condition": "BEFORE", "columns": ["birth_date"]}, "columns"),
            ({"title_vi": " "}, "words"),
        ],
    )
    def test_a_wrong_rule_says_what_is_wrong(self, changed, wrong):
        with pytest.raises(ValueError, match=f"ethnicity-missing: .*{wrong}"):
            read_rules([{**GOOD, **changed}])

    def test_a_rule_stands_once(self):
        with pytest.raises(ValueError, match="twice"):
            read_rules([GOOD, GOOD])
