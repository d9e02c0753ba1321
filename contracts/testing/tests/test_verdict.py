"""The judgement of what operations left: a missing record is a fault, and so is an entry that is no gap."""

import json
from pathlib import Path
from typing import Any

import pytest
from ndx_testing.observation import Observations, Seen
from ndx_testing.verdict import judge, read_known_gaps

ROOT = Path(__file__).resolve().parents[3]
FULL = Seen(answered=1, disclosed=1, audited=1, announced=1)


def document(method: str = "get", **declared: Any) -> dict[str, Any]:
    operation = {"door": "agency", "personal_data": True, **declared}
    return {"paths": {"/x": {method: {"operationId": "act", "x-ndx-operation": operation}}}}


def faults(seen: Seen | None, api: dict[str, Any], **known: dict[str, str]) -> list[str]:
    observations = Observations()
    if seen is not None:
        observations.note("tax.act", seen)
    return judge("tax", api, observations, {rule.replace("_", "-"): v for rule, v in known.items()})


class TestJudge:
    def test_what_left_everything_is_in_order(self) -> None:
        assert not faults(FULL, document("post"))
        assert not faults(Seen(answered=1, disclosed=1), document())

    def test_an_operation_that_no_test_saw_is_a_fault(self) -> None:
        (fault,) = faults(None, document())
        assert "no test" in fault

    def test_one_answer_with_personal_data_and_no_record_is_a_fault(self) -> None:
        seen = Seen(answered=9, disclosed=8, silent_in="svc/tests/x.py::test_y")
        (fault,) = faults(seen, document())
        assert "disclosure" in fault
        assert "test_y" in fault

    @pytest.mark.parametrize(
        ("seen", "words"),
        [
            (Seen(answered=1, disclosed=1, announced=1), "audit"),
            (Seen(answered=1, disclosed=1, audited=1), "event"),
        ],
    )
    def test_a_change_owes_an_audit_entry_and_an_event(self, seen: Seen, words: str) -> None:
        (fault,) = faults(seen, document("post"))
        assert words in fault

    def test_a_post_that_only_asks_owes_neither(self) -> None:
        assert not faults(Seen(answered=1, disclosed=1), document("post", changes="NOTHING"))

    def test_what_is_not_served_owes_nothing_and_never_succeeds(self) -> None:
        api = document("delete", served=False)
        assert not faults(None, api)
        (fault,) = faults(FULL, api)
        assert "not served" in fault

    def test_a_citizen_who_looks_at_the_own_data_owes_an_audit_entry_instead_of_a_disclosure(self) -> None:
        (fault,) = faults(Seen(answered=1), document(door="citizen"))
        assert "audit" in fault
        assert not faults(Seen(answered=1, audited=1), document(door="citizen"))

    def test_a_listed_gap_is_suffered_until_it_is_closed(self) -> None:
        gap = {"tax.act": "a reason"}
        assert not faults(Seen(answered=1), document(), no_disclosure=gap)
        (fault,) = faults(Seen(answered=1, disclosed=1), document(), no_disclosure=gap)
        assert "take it off" in fault

    def test_a_gap_of_an_operation_that_is_gone_is_a_fault(self) -> None:
        (fault,) = faults(FULL, document(), no_audit={"tax.gone": "a reason"})
        assert "no such operation" in fault


class TestObservations:
    def test_what_workers_saw_adds_up_over_plain_data(self) -> None:
        whole = Observations()
        for _ in range(2):
            part = Observations()
            part.note("tax.act", Seen(answered=1, disclosed=1))
            whole.merge(json.loads(json.dumps(part.to_data())))
        assert whole.by_operation["tax.act"] == Seen(answered=2, disclosed=2)


class TestKnownGaps:
    def test_the_committed_list_can_be_read(self) -> None:
        read_known_gaps(ROOT / "contracts" / "known_gaps.toml")

    @pytest.mark.parametrize("text", ['[no-rule]\n"a.b" = "why"\n', '[no-audit]\n"a.b" = " "\n'])
    def test_an_unknown_rule_or_a_gap_without_reason_is_refused(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "known_gaps.toml"
        path.write_text(text)
        with pytest.raises(ValueError, match=r"known_gaps\.toml"):
            read_known_gaps(path)
