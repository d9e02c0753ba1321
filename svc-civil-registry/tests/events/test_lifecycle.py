"""The life of a record as a state machine: whatever is tried, the rules hold."""

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from svc_civil_registry.events.errors import GuardFailed
from svc_civil_registry.events.lifecycle import GUARDS, Action, State, apply, check, replay
from svc_civil_registry.events.vocabulary import ActionType, Flag, RecordKind, Status

A, F, S = ActionType, Flag, Status


class Life(RuleBasedStateMachine):
    """Any action may be tried at any time; only what `check` lets pass happens."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[Action] = []
        self.refused: list[str] = []
        self.state = State(kind=RecordKind.BIRTH)

    @rule(
        kind=st.sampled_from(ActionType),
        reason=st.sampled_from(["", "   ", "vì sao"]),
        late=st.booleans(),
        suspected=st.booleans(),
    )
    def attempt(self, kind: ActionType, reason: str, late: bool, suspected: bool) -> None:
        content: dict[str, Any] = {
            "reason": reason,
            "late": late,
            "duplicate_suspected": suspected,
            "duplicate_of": "00000000-0000-0000-0000-000000000000",
            "reasons": ["why"],
        }
        action = Action(kind, content)
        try:
            check(self.state, action)
        except GuardFailed as refusal:
            self.refused.append(refusal.guard)
        else:
            self.done.append(action)
            self.state = apply(self.state, action)

    @precondition(lambda self: F.AWAITING_PERSONAL_ID in self.state.flags)
    @rule(kind=st.sampled_from(sorted(set(ActionType) - {A.REGISTER, A.REFUSE_NUMBER})))
    def nothing_but_the_outcome_follows_a_request(self, kind: ActionType) -> None:
        with pytest.raises(GuardFailed):
            check(self.state, Action(kind, {"reason": "x"}))

    @invariant()
    def every_refusal_names_a_rule(self) -> None:
        known = {g.name for g in GUARDS} | {f"status-{s.value.lower()}" for s in Status}
        assert set(self.refused) <= known

    @invariant()
    def state_is_what_replay_yields(self) -> None:
        assert replay(RecordKind.BIRTH, self.done) == self.state

    @invariant()
    def a_registered_birth_was_numbered_once_and_waits_for_nothing(self) -> None:
        kinds = [a.type for a in self.done]
        assert kinds.count(A.REGISTER) <= 1
        if self.state.status is S.REGISTERED:
            assert kinds[kinds.index(A.REGISTER) - 1] is A.REQUEST_NUMBER
            assert not self.state.flags & {F.AWAITING_PERSONAL_ID, F.NUMBER_REFUSED, F.POTENTIAL_DUPLICATE}

    @invariant()
    def waiting_and_suspicion_exclude_each_other(self) -> None:
        assert not {F.AWAITING_PERSONAL_ID, F.POTENTIAL_DUPLICATE} <= self.state.flags
        assert not {F.AWAITING_PERSONAL_ID, F.NUMBER_REFUSED} <= self.state.flags

    @invariant()
    def archived_is_the_end(self) -> None:
        if self.state.status is S.ARCHIVED:
            assert self.done[-1].type in {A.ARCHIVE, A.MARK_AS_DUPLICATE}
            assert (self.done[-1].type is A.MARK_AS_DUPLICATE) == (self.state.duplicate_of is not None)

    @invariant()
    def open_requests_are_requests_without_outcome(self) -> None:
        kinds = [a.type for a in self.done]
        outcomes = kinds.count(A.REGISTER) + kinds.count(A.REFUSE_NUMBER)
        waiting = F.AWAITING_PERSONAL_ID in self.state.flags
        assert kinds.count(A.REQUEST_NUMBER) - outcomes == (1 if waiting else 0)


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=25, deadline=None)


class TestGuards:
    @pytest.mark.parametrize(
        ("before", "tried", "guard"),
        [
            ([A.CREATE, A.DECLARE, A.DETECT_DUPLICATE], A.REQUEST_NUMBER, "potential-duplicate"),
            ([A.CREATE, A.DECLARE], A.MARK_AS_DUPLICATE, "not-a-potential-duplicate"),
            ([A.CREATE, A.DECLARE], A.REGISTER, "number-requested"),
            ([A.CREATE, A.DECLARE, A.REQUEST_NUMBER], A.ARCHIVE, "awaiting-personal-id"),
            ([A.CREATE, A.DECLARE], A.PRINT_CERTIFICATE, "status-declared"),
            ([A.CREATE, A.DECLARE, A.REJECT], A.REQUEST_NUMBER, "rejected"),
            ([A.CREATE, A.DECLARE, A.REQUEST_NUMBER, A.REGISTER], A.DECLARE, "status-registered"),
            (
                [A.CREATE, A.DECLARE, A.REQUEST_NUMBER, A.REGISTER, A.REQUEST_CORRECTION],
                A.PRINT_CERTIFICATE,
                "correction-requested",
            ),
        ],
    )
    def test_a_refusal_names_its_guard(self, before: list[ActionType], tried: ActionType, guard: str) -> None:
        state = State(kind=RecordKind.BIRTH)
        for kind in before:
            action = Action(kind, {"reason": "x"})
            check(state, action)
            state = apply(state, action)
        with pytest.raises(GuardFailed) as refused:
            check(state, Action(tried, {"reason": "x"}))
        assert refused.value.guard == guard

    def test_archiving_needs_a_reason(self) -> None:
        state = replay(RecordKind.BIRTH, [Action(A.CREATE, {}), Action(A.DECLARE, {})])
        with pytest.raises(GuardFailed, match="reason-required"):
            check(state, Action(A.ARCHIVE, {"reason": " "}))

    def test_a_death_needs_no_number(self) -> None:
        state = replay(RecordKind.DEATH, [Action(A.CREATE, {}), Action(A.DECLARE, {})])
        check(state, Action(A.REGISTER, {}))
