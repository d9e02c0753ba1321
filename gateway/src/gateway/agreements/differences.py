"""What differs between two sets of terms, in words that an approver can check one by one."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_NAMED = {"operations": "operation"}
"""Lists of objects that are told apart by one of their members, not by their place."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One term with its old and new value; None = it is not there."""

    term: str
    before: Any
    after: Any


def differences(before: dict[str, Any], after: dict[str, Any]) -> list[Difference]:
    """Return what differs between two documents of terms, by dotted name.

    Lists are compared as sets: an added purpose is one difference, and the order of purposes is none.
    """
    return list(_of_objects("", before, after))


def _of_objects(prefix: str, before: dict[str, Any], after: dict[str, Any]) -> Iterator[Difference]:
    for name in sorted(before.keys() | after.keys()):
        yield from _of_values(f"{prefix}{name}", before.get(name), after.get(name))


def _of_values(term: str, before: Any, after: Any) -> Iterator[Difference]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict):
        yield from _of_objects(f"{term}.", before, after)
    elif term in _NAMED:
        named = _NAMED[term]
        yield from _of_objects(f"{term}.", _by(named, before or []), _by(named, after or []))
    elif isinstance(before, list) and isinstance(after, list):
        yield from (Difference(term, item, None) for item in before if item not in after)
        yield from (Difference(term, None, item) for item in after if item not in before)
    else:
        yield Difference(term, before, after)


def _by(member: str, items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {item[member]: {k: v for k, v in item.items() if k != member} for item in items}
