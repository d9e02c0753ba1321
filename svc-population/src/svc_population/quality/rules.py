"""The rules of quality: data with words, sources and dates (`rules.json`), read and checked once.

A rule names columns of a person and one kind of condition with its parameters, never SQL: what can stand in
a condition is `conditions.py`, and every name is checked here against the columns there are.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from functools import cache
from importlib import resources
from typing import Any

from ndx_contracts.field_groups import FieldGroup

from svc_population.changes.source_of_truth import sources_on
from svc_population.persons.field_groups import COLUMNS, changed_groups
from svc_population.quality.vocabulary import TIMED, Condition, Dimension, Scope

MOST = 62
"""Rules that find room in the bits of a bigint."""
_KNOWN = frozenset(c for columns in COLUMNS.values() for c in columns)
_CODE = re.compile(r"[a-z][a-z0-9-]{2,59}")
_TWO_COLUMNS = frozenset({Condition.BEFORE, Condition.PROVINCE_DIFFERS})
_ONE_COLUMN = frozenset(
    {*TIMED, Condition.AFTER_RECORDING, Condition.COMMUNE_UNKNOWN, Condition.COMMUNE_ABOLISHED}
)
_NO_COLUMN = {
    Condition.NUMBER_SEX_DIFFERS: ("personal_id", "sex"),
    Condition.NUMBER_BIRTH_YEAR_DIFFERS: ("personal_id", "birth_date"),
    Condition.NUMBER_PLACE_UNKNOWN: ("personal_id",),
}


@dataclass(frozen=True, slots=True)
class Rule:
    """One demand; `title` says what is wrong with a record that breaks it."""

    code: str
    dimension: Dimension
    scope: Scope
    condition: Condition
    columns: tuple[str, ...]
    title_vi: str
    title: str
    source: str
    effective_from: date
    pattern: str | None = None
    years: int | None = None

    @classmethod
    def of(cls, document: dict[str, Any]) -> "Rule":
        """Read a rule.

        Raises:
            ValueError: it names what there is not, or lacks what its condition needs.
        """
        condition = Condition(document["condition"])
        rule = cls(
            **{
                **document,
                "dimension": Dimension(document["dimension"]),
                "scope": Scope(document["scope"]),
                "condition": condition,
                "columns": tuple(document.get("columns") or _NO_COLUMN.get(condition, ())),
                "effective_from": date.fromisoformat(document["effective_from"]),
            }
        )
        rule._check()
        return rule

    def _check(self) -> None:
        asked = 2 if self.condition in _TWO_COLUMNS else 1 if self.condition in _ONE_COLUMN else None
        faults = {
            "code": not _CODE.fullmatch(self.code),
            "columns": not self.columns
            or not _KNOWN.issuperset(self.columns)
            or (asked is not None and len(self.columns) != asked),
            "pattern": (self.pattern is not None)
            != (self.condition in {Condition.MATCHES, Condition.MATCHES_NOT}),
            "years": (self.years is not None) != (self.condition is Condition.AGE_PASSED),
            "scope": self.condition in TIMED and self.scope is not Scope.LIVING,
            "words": not (self.title.strip() and self.title_vi.strip() and self.source.strip()),
        }
        wrong = [name for name, fault in faults.items() if fault]
        if wrong:
            raise ValueError(f"rule {self.code}: {', '.join(wrong)}")

    @property
    def timed(self) -> bool:
        return self.condition in TIMED

    @property
    def groups(self) -> tuple[FieldGroup, ...]:
        """Return the field groups that the rule looks at."""
        return tuple(FieldGroup(name) for name in changed_groups(self.columns))

    @property
    def named_group(self) -> FieldGroup:
        """Return the group under which the rule is counted."""
        wanted = [g for g in self.groups if g is not FieldGroup.PERSONAL_ID]
        return wanted[0] if wanted and self.condition not in _NO_COLUMN else self.groups[0]

    def concerns(self, *, living: bool) -> bool:
        return self.scope is Scope.ALL or (self.scope is Scope.LIVING) == living

    def document(self) -> dict[str, Any]:
        """Return the rule as `of` reads it."""
        kept = {name: value for name, value in asdict(self).items() if value is not None}
        return {**kept, "effective_from": self.effective_from.isoformat(), "columns": list(self.columns)}


def read_rules(documents: Iterable[dict[str, Any]]) -> tuple[Rule, ...]:
    """Read rules in the order of their bits.

    Raises:
        ValueError: a rule is wrong, stands twice, or there are too many.
    """
    rules = tuple(Rule.of(d) for d in documents)
    if len({r.code for r in rules}) != len(rules):
        raise ValueError("a rule stands twice")
    if len(rules) > MOST:
        raise ValueError(f"at most {MOST} rules can be counted")
    return rules


@cache
def _packaged() -> tuple[Rule, ...]:
    text = resources.files(__package__).joinpath("rules.json").read_text(encoding="utf-8")
    return read_rules(json.loads(text)["rules"])


def rules_on(day: date) -> tuple[Rule, ...]:
    """Return the packaged rules in force on a day."""
    return tuple(r for r in _packaged() if r.effective_from <= day)


def agencies_of(rule: Rule, day: date) -> tuple[str, ...]:
    """Return the agencies that are a source of what the rule is counted under, and so can mend it."""
    return tuple(sorted({s.agency for s in sources_on(day) if s.group is rule.named_group}))
