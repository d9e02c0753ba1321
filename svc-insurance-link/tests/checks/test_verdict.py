"""Which result code follows from what is held."""

from datetime import date, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_chassis.ids import new_id
from svc_insurance_link.checks.result_codes import code_of_end_cause, code_of_group, result_codes
from svc_insurance_link.checks.verdict import Verdict, identity_fault, judge, with_old_card
from svc_insurance_link.entitlements.intervals import Cover
from svc_insurance_link.entitlements.models import EndCause

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
VISIT = date(2026, 6, 1)


def cover(
    group: str = "DN",
    *,
    first: date = FIRST,
    last: date | None = LAST,
    ended_on: date | None = None,
    cause: str | None = None,
) -> Cover:
    return Cover(new_id(), "KIND", group, 4, first, last, ended_on, cause)


class TestJudge:
    def test_a_visit_within_the_interval_is_covered(self) -> None:
        held = cover()
        for day in (FIRST, VISIT, LAST):
            assert judge([held], day) == Verdict("000", held)

    def test_cards_of_army_and_police_have_their_own_codes(self) -> None:
        assert judge([cover("QN")], VISIT).code == "001"
        assert judge([cover("CA")], VISIT).code == "002"

    def test_after_the_last_day_the_card_has_expired(self) -> None:
        assert judge([cover()], LAST + timedelta(days=1)).code == "010"

    def test_nothing_held_or_only_something_later_is_no_card(self) -> None:
        assert judge([], VISIT).code == "050"
        assert judge([cover()], FIRST - timedelta(days=1)).code == "050"

    @pytest.mark.parametrize(("cause", "code"), list(code_of_end_cause().items()))
    def test_an_early_end_is_told_by_its_cause(self, cause: str, code: str) -> None:
        ended = cover(ended_on=date(2026, 5, 31), cause=cause)
        assert judge([ended], VISIT).code == code
        assert judge([ended], date(2026, 5, 31)).code == "000"

    def test_a_running_interval_outweighs_an_ended_one(self) -> None:
        ended = cover(ended_on=date(2026, 3, 1), cause="STOPPED")
        assert judge([ended, cover(first=date(2026, 2, 1))], VISIT).code == "000"

    @given(
        st.lists(st.tuples(st.dates(), st.dates()).map(sorted), max_size=5),
        st.dates(),
    )
    def test_covered_exactly_when_an_interval_holds_the_day(self, spans: list[list[date]], day: date) -> None:
        found = judge([cover(first=a, last=b) for a, b in spans], day)
        assert (found.code == "000") == any(a <= day <= b for a, b in spans)
        assert found.code in result_codes()


class TestIdentityFault:
    def fault(self, name: str, born: date) -> str | None:
        return identity_fault(
            name=name, birth_date=born, held_name="Nguyễn Minh Hòa", held_birth_date=date(2026, 11, 20)
        )

    def test_what_fits_has_none(self) -> None:
        assert self.fault("NGUYỄN MINH HOÀ", date(2026, 11, 20)) is None

    def test_a_wrong_name_says_nothing_of_the_birth_date(self) -> None:
        right, wrong = date(2026, 11, 20), date(2026, 11, 21)
        assert self.fault("Trần Minh Hòa", right) == self.fault("Trần Minh Hòa", wrong) == "060"
        assert self.fault("Nguyễn Mạnh Hà", right) == self.fault("Nguyễn Mạnh Hà", wrong) == "061"

    def test_initials_are_letters_without_their_marks(self) -> None:
        born = date(2026, 11, 20)
        assert self.fault("Nguyên Mình Hoa", born) == "061"
        assert self.fault("Nguyễn Hòa", born) == "060"
        held = partial(identity_fault, held_name="Đỗ Ân", birth_date=born, held_birth_date=born)
        assert held(name="Đào Anh") == "061"
        assert held(name="Dỗ Ân") == "060"

    def test_a_wrong_birth_date_is_told_to_who_knows_the_name(self) -> None:
        assert self.fault("Nguyễn Minh Hòa", date(2026, 11, 21)) == "070"


class TestOldCard:
    @pytest.mark.parametrize(
        ("replaced", "withdrawn", "valid", "code"),
        [
            (False, False, True, "000"),
            (True, False, True, "004"),
            (True, False, False, "003"),
            (True, True, True, "110"),
        ],
    )
    def test_what_became_of_the_card(
        self, *, replaced: bool, withdrawn: bool, valid: bool, code: str
    ) -> None:
        found = with_old_card(
            Verdict("000", cover()), replaced=replaced, withdrawn=withdrawn, card_valid=valid
        )
        assert found.code == code
        assert result_codes()[code].covered == (found.cover is not None)


class TestTable:
    def test_every_code_that_is_answered_is_in_the_table_with_its_words(self) -> None:
        table = result_codes()
        assert len(table) == 29
        for row in table.values():
            assert row.text_vi
            assert row.text_en
            assert row.action_vi
            assert row.action_en
        assert set(code_of_end_cause()) == {cause.value for cause in EndCause}
        for code in (*code_of_end_cause().values(), *code_of_group().values()):
            assert code in table
