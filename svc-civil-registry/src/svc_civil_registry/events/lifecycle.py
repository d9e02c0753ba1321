"""The rules of a record's life as data: replay of actions, allowed actions by status, and guards.

Nothing here reads or writes; `replay` and `check` are all that decides about a record.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from svc_civil_registry.events.errors import GuardFailed
from svc_civil_registry.events.vocabulary import ActionType, Flag, RecordKind, Status

A, F, S = ActionType, Flag, Status


@dataclass(frozen=True, slots=True)
class Action:
    """One action as far as the rules need it."""

    type: ActionType
    content: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class State:
    """What the actions so far amount to."""

    kind: RecordKind
    status: Status = Status.CREATED
    flags: frozenset[Flag] = frozenset()
    version: int = 0
    number_requests: int = 0
    """How many requests for a number ended in a refusal: the next one needs a new id."""
    duplicate_of: str | None = None
    reasons: tuple[str, ...] = ()
    """Why the number was refused or a duplicate is suspected, as stable codes."""


_STATUS_AFTER: dict[ActionType, Status] = {
    A.CREATE: S.CREATED,
    A.NOTIFY: S.NOTIFIED,
    A.DECLARE: S.DECLARED,
    A.REGISTER: S.REGISTERED,
    A.MARK_AS_DUPLICATE: S.ARCHIVED,
    A.ARCHIVE: S.ARCHIVED,
    A.APPROVE_CANCELLATION: S.CANCELLED,
}
_SETS: dict[ActionType, frozenset[Flag]] = {
    A.DETECT_DUPLICATE: frozenset({F.POTENTIAL_DUPLICATE}),
    A.REQUEST_NUMBER: frozenset({F.AWAITING_PERSONAL_ID}),
    A.REFUSE_NUMBER: frozenset({F.NUMBER_REFUSED}),
    A.REJECT: frozenset({F.REJECTED}),
    A.REQUEST_CORRECTION: frozenset({F.CORRECTION_REQUESTED}),
    A.REQUEST_CANCELLATION: frozenset({F.CANCELLATION_REQUESTED}),
}
_CLEARS: dict[ActionType, frozenset[Flag]] = {
    A.DECLARE: frozenset({F.REJECTED}),
    A.NOTIFY: frozenset({F.REJECTED}),
    A.MARK_AS_NOT_DUPLICATE: frozenset({F.POTENTIAL_DUPLICATE}),
    A.MARK_AS_DUPLICATE: frozenset({F.POTENTIAL_DUPLICATE, F.NUMBER_REFUSED}),
    A.REQUEST_NUMBER: frozenset({F.NUMBER_REFUSED}),
    A.REFUSE_NUMBER: frozenset({F.AWAITING_PERSONAL_ID}),
    A.REGISTER: frozenset({F.AWAITING_PERSONAL_ID}),
    A.APPROVE_CORRECTION: frozenset({F.CORRECTION_REQUESTED}),
    A.REJECT_CORRECTION: frozenset({F.CORRECTION_REQUESTED}),
    A.APPROVE_CANCELLATION: frozenset({F.CANCELLATION_REQUESTED}),
    A.REJECT_CANCELLATION: frozenset({F.CANCELLATION_REQUESTED}),
}


def apply(state: State, action: Action) -> State:
    """Return the state after one more action, which must have passed `check`."""
    kind, content = action.type, action.content
    flags = (state.flags - _CLEARS.get(kind, frozenset())) | _SETS.get(kind, frozenset())
    changes: dict[str, object] = {}
    if kind is A.DECLARE and content.get("late"):
        flags |= {F.LATE}
    if kind is A.REFUSE_NUMBER:
        if content.get("duplicate_suspected"):
            flags |= {F.POTENTIAL_DUPLICATE}
        changes["number_requests"] = state.number_requests + 1
    if kind in {A.REFUSE_NUMBER, A.DETECT_DUPLICATE}:
        found = content.get("reasons")
        changes["reasons"] = tuple(str(r) for r in found) if isinstance(found, (list, tuple)) else ()
    if kind in {A.REQUEST_NUMBER, A.MARK_AS_NOT_DUPLICATE}:
        changes["reasons"] = ()
    if kind is A.MARK_AS_DUPLICATE:
        changes["duplicate_of"] = str(content["duplicate_of"])
    return replace(
        state,
        status=_STATUS_AFTER.get(kind, state.status),
        flags=flags,
        version=state.version + 1,
        **changes,  # type: ignore[arg-type]  # keys and types are those set just above
    )


def replay(kind: RecordKind, actions: Iterable[Action]) -> State:
    """Return the state that a list of actions amounts to."""
    state = State(kind=kind)
    for action in actions:
        state = apply(state, action)
    return state


ALLOWED: dict[Status, frozenset[ActionType]] = {
    S.CREATED: frozenset({A.CREATE, A.NOTIFY, A.DECLARE}),
    S.NOTIFIED: frozenset({A.DECLARE, A.DETECT_DUPLICATE, A.MARK_AS_DUPLICATE, A.ARCHIVE, A.REJECT}),
    S.DECLARED: frozenset(
        {
            A.DETECT_DUPLICATE,
            A.MARK_AS_DUPLICATE,
            A.MARK_AS_NOT_DUPLICATE,
            A.REQUEST_NUMBER,
            A.REFUSE_NUMBER,
            A.REGISTER,
            A.ARCHIVE,
            A.REJECT,
        }
    ),
    S.REGISTERED: frozenset(
        {
            A.PRINT_CERTIFICATE,
            A.REQUEST_CORRECTION,
            A.APPROVE_CORRECTION,
            A.REJECT_CORRECTION,
            A.REQUEST_CANCELLATION,
            A.APPROVE_CANCELLATION,
            A.REJECT_CANCELLATION,
        }
    ),
    S.ARCHIVED: frozenset(),
    S.CANCELLED: frozenset(),
}

_OUTCOMES_OF_REQUEST = frozenset({A.REGISTER, A.REFUSE_NUMBER})
_OUTCOMES_OF_CORRECTION = frozenset({A.APPROVE_CORRECTION, A.REJECT_CORRECTION})
_OUTCOMES_OF_CANCELLATION = frozenset({A.APPROVE_CANCELLATION, A.REJECT_CANCELLATION})
_DUPLICATE_REVIEWS = frozenset({A.MARK_AS_DUPLICATE, A.MARK_AS_NOT_DUPLICATE})
_EVERY = frozenset(ActionType)


@dataclass(frozen=True, slots=True)
class Guard:
    """A rule beside the status: for these actions, `fails` must be false."""

    name: str
    actions: frozenset[ActionType]
    fails: Callable[[State, Action], bool]
    words: str


GUARDS: tuple[Guard, ...] = (
    Guard(
        "awaiting-personal-id",
        _EVERY - _OUTCOMES_OF_REQUEST,
        lambda s, _a: F.AWAITING_PERSONAL_ID in s.flags,
        "the record waits for its personal number; only the outcome of that request may come next.",
    ),
    Guard(
        "number-requested",
        _OUTCOMES_OF_REQUEST,
        lambda s, _a: s.kind is RecordKind.BIRTH and F.AWAITING_PERSONAL_ID not in s.flags,
        "no request for a personal number is open.",
    ),
    Guard(
        "potential-duplicate",
        frozenset({A.REGISTER, A.REQUEST_NUMBER, A.ARCHIVE}),
        lambda s, _a: F.POTENTIAL_DUPLICATE in s.flags,
        "the record may be a duplicate; an officer has to decide first.",
    ),
    Guard(
        "not-a-potential-duplicate",
        _DUPLICATE_REVIEWS,
        lambda s, _a: F.POTENTIAL_DUPLICATE not in s.flags,
        "the record is not suspected to be a duplicate.",
    ),
    Guard(
        "correction-requested",
        frozenset({A.PRINT_CERTIFICATE, A.REQUEST_CORRECTION, A.REQUEST_CANCELLATION}),
        lambda s, _a: F.CORRECTION_REQUESTED in s.flags,
        "a correction of the record is open.",
    ),
    Guard(
        "no-correction-requested",
        _OUTCOMES_OF_CORRECTION,
        lambda s, _a: F.CORRECTION_REQUESTED not in s.flags,
        "no correction of the record is open.",
    ),
    Guard(
        "cancellation-requested",
        frozenset({A.PRINT_CERTIFICATE, A.REQUEST_CORRECTION, A.REQUEST_CANCELLATION}),
        lambda s, _a: F.CANCELLATION_REQUESTED in s.flags,
        "a cancellation of the record is open.",
    ),
    Guard(
        "no-cancellation-requested",
        _OUTCOMES_OF_CANCELLATION,
        lambda s, _a: F.CANCELLATION_REQUESTED not in s.flags,
        "no cancellation of the record is open.",
    ),
    Guard(
        "rejected",
        _EVERY - {A.NOTIFY, A.DECLARE, A.ARCHIVE},
        lambda s, _a: F.REJECTED in s.flags,
        "the record was rejected.",
    ),
    Guard(
        "reason-required",
        frozenset(
            {
                A.REJECT,
                A.ARCHIVE,
                A.REQUEST_CORRECTION,
                A.REJECT_CORRECTION,
                A.REQUEST_CANCELLATION,
                A.REJECT_CANCELLATION,
                A.MARK_AS_DUPLICATE,
                A.MARK_AS_NOT_DUPLICATE,
            }
        ),
        lambda _s, a: not str(a.content.get("reason") or "").strip(),
        "this action needs a reason.",
    ),
)


def check(state: State, action: Action) -> None:
    """Let an action pass, or say which rule forbids it.

    Raises:
        GuardFailed: with the name of the guard; `status-<status>` when the status itself forbids it.
    """
    for guard in GUARDS:
        if action.type in guard.actions and state.version > 0 and guard.fails(state, action):
            raise GuardFailed(guard.name, guard.words)
    if action.type not in ALLOWED[state.status] or (action.type is A.CREATE) != (state.version == 0):
        raise GuardFailed(
            f"status-{state.status.value.lower()}",
            f"{action.type.value} is not allowed for a record in status {state.status.value}.",
        )
