"""The difference of two sets of terms: complete, in words, and blind to the order of lists."""

from typing import Any

from gateway.agreements.differences import Difference, differences
from hypothesis import given
from hypothesis import strategies as st

TERMS: dict[str, Any] = {
    "operations": [
        {"operation": "population.get_person", "field_groups": ["birth_date", "sex"]},
        {"operation": "population.verify_person", "field_groups": []},
    ],
    "purposes": ["STATISTICS"],
    "quotas": {"per_second": 50, "per_day": None},
    "valid_to": None,
}


class TestDifferences:
    def test_a_field_group_is_named_with_its_operation(self) -> None:
        after = TERMS | {
            "operations": [
                {"operation": "population.get_person", "field_groups": ["sex", "religion"]},
                {"operation": "population.verify_person", "field_groups": []},
            ]
        }
        assert differences(TERMS, after) == [
            Difference("operations.population.get_person.field_groups", "birth_date", None),
            Difference("operations.population.get_person.field_groups", None, "religion"),
        ]

    def test_an_operation_that_comes_or_goes_is_one_difference(self) -> None:
        after = TERMS | {"operations": TERMS["operations"][:1]}
        gone = Difference("operations.population.verify_person", {"field_groups": []}, None)
        assert differences(TERMS, after) == [gone]

    def test_a_limit_and_a_date(self) -> None:
        after = TERMS | {"quotas": {"per_second": 50, "per_day": 1000}, "valid_to": "2030-01-01"}
        assert differences(TERMS, after) == [
            Difference("quotas.per_day", None, 1000),
            Difference("valid_to", None, "2030-01-01"),
        ]

    @given(st.permutations(["A", "B", "C"]))
    def test_the_order_of_a_list_is_no_difference(self, purposes: list[str]) -> None:
        before = TERMS | {"purposes": ["A", "B", "C"], "operations": TERMS["operations"][::-1]}
        assert differences(before, TERMS | {"purposes": purposes}) == []

    @given(
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
        st.dictionaries(st.sampled_from("abc"), st.integers(0, 3)),
    )
    def test_what_differs_is_what_turns_one_into_the_other(
        self, before: dict[str, int], after: dict[str, int]
    ) -> None:
        made = dict(before)
        for d in differences(before, after):
            assert made.get(d.term) == d.before
            made[d.term] = d.after
        assert {k: v for k, v in made.items() if v is not None} == after
