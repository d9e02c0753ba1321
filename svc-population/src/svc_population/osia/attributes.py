"""The standard's attributes over our field groups: a table as data, values out of an answer, comparison."""

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from importlib.resources import files
from typing import Any

from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.names import composed, same_name

from svc_population.osia.errors import OsiaRefused, body
from svc_population.osia.vocabulary import Kind, Operator, OsiaCode, Value

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
GENDERS = {"MALE": "1", "FEMALE": "2"}
"""ISO 5218; the registry knows no other."""
_STATUSES = {"MISSING": "missing", "DECLARED_DEAD": "declaredDead", "DECEASED": "dead"}
_STATED: dict[Kind, frozenset[str]] = {
    Kind.GENDER: frozenset("0129"),
    Kind.STATUS: frozenset({"alive", *_STATUSES.values()}),
}
_DATES = frozenset({Kind.DATE, Kind.DATE_OF_DEATH})
_LONGEST = 200
Answer = Mapping[str, Any]
"""The JSON of a person: a field group's value under its name."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute: which group gives it, and how."""

    name: str
    group: FieldGroup
    members: tuple[str, ...]
    kind: Kind
    request_member: str | None
    """The member of a request for a number that it stands for."""

    @property
    def comparable(self) -> bool:
        return self.kind is not Kind.SPOUSE

    def value(self, answer: Answer) -> str | None:
        """Return the value in an answer; None = not known."""
        found = answer[self.group.value]
        if self.kind is Kind.STATUS:
            return "alive" if found is None else _STATUSES[found["status"]]
        return None if found is None else self._out_of(found)

    def _out_of(self, found: Any) -> str | None:
        if self.kind is Kind.SPOUSE:
            return next((r["name"] for r in found if r["relation"] == "SPOUSE"), None)
        if self.kind is Kind.DATE_OF_DEATH:
            return None if found["status"] == "MISSING" else str(found["date"])
        if self.members:
            return " ".join(str(found[m]) for m in self.members if found[m]) or None
        return GENDERS[found] if self.kind is Kind.GENDER else str(found)

    def stated(self, value: Value) -> str:
        """Return a stated value as text.

        Raises:
            OsiaRefused: no value of this attribute looks like that.
        """
        plain = str(value).lower() if isinstance(value, bool) else str(value)
        allowed = _STATED.get(self.kind)
        if (
            not 0 < len(plain) <= _LONGEST
            or (allowed is not None and plain not in allowed)
            or (self.kind in _DATES and not _is_day(plain))
        ):
            raise OsiaRefused(OsiaCode.VALUE_INVALID, f"{self.name}: no possible value")
        return plain

    def holds(self, operator: Operator, stated: str, known: str | None) -> bool:
        """Tell whether an expression about the known value is true; what is not known is never true."""
        if known is None:
            return False
        if self.kind in _DATES:
            return _in_order(operator, date.fromisoformat(known), date.fromisoformat(stated))
        if self.kind is Kind.NAME:
            return same_name(known, stated)
        if self.kind is Kind.WORDS:
            return composed(known).casefold() == composed(stated).casefold()
        return known == composed(stated)

    def bound(self, operator: Operator, stated: str) -> date | None:
        """Return the day before which the expression asks, if it asks for an order of dates.

        Raises:
            OsiaRefused: the attribute has no order.
        """
        if operator is Operator.EQUAL:
            return None
        if self.kind not in _DATES:
            raise OsiaRefused(OsiaCode.NOT_COMPARABLE, f"{self.name} has no order: only = compares it")
        day = date.fromisoformat(stated)
        until = operator in (Operator.LESS, Operator.AT_LEAST) or day == date.max
        return day if until else day + timedelta(days=1)


def _is_day(text: str) -> bool:
    try:
        return _DATE.fullmatch(text) is not None and date.fromisoformat(text) is not None
    except ValueError:
        return False


def _in_order(operator: Operator, known: date, stated: date) -> bool:
    return {
        Operator.LESS: known < stated,
        Operator.GREATER: known > stated,
        Operator.EQUAL: known == stated,
        Operator.AT_LEAST: known >= stated,
        Operator.AT_MOST: known <= stated,
    }[operator]


@lru_cache
def attributes() -> dict[str, Attribute]:
    """Return the table, by name."""
    table = files("svc_population.osia").joinpath("attributes.csv").read_text(encoding="utf-8")
    return {
        row["name"]: Attribute(
            name=row["name"],
            group=FieldGroup(row["group"]),
            members=tuple(row["members"].split()),
            kind=Kind(row["kind"]),
            request_member=row["request_member"] or None,
        )
        for row in csv.DictReader(table.splitlines())
    }


def known(names: Iterable[str]) -> list[Attribute]:
    """Return those of the names that are attributes."""
    table = attributes()
    return [table[name] for name in dict.fromkeys(names) if name in table]


def groups_of(found: Iterable[Attribute]) -> frozenset[FieldGroup]:
    """Return the groups that tell these attributes; without any, the answer tells that the number exists."""
    return frozenset(a.group for a in found) or frozenset({FieldGroup.PERSONAL_ID})


def record(names: Iterable[str], answer: Answer) -> dict[str, Any]:
    """Return the named attributes; one that is unknown, or has no value, has the error body instead."""
    table = attributes()
    found: dict[str, Any] = {}
    for name in names:
        if name not in table:
            found[name] = body(OsiaCode.UNKNOWN_ATTRIBUTE, "Unknown attribute name")
        else:
            value = table[name].value(answer)
            found[name] = body(OsiaCode.NO_VALUE, "No value") if value is None else value
    return found
