"""Which agency is the source of which field group, on which day: data with dates, not code.

`source_of_truth.csv` has one row per group and agency (or `class:COURT` for every agency of a class that a
template agreement binds): the kinds of change it may make, whether it may correct a dead person's record,
the period, and where the rule comes from; `verified` = no: the article was not read at its source.
"""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib import resources

from ndx_contracts.field_groups import FieldGroup

from svc_population.persons.vocabulary import ChangeKind


@dataclass(frozen=True, slots=True)
class Source:
    """One rule; both ends of its period are included, None is open."""

    group: FieldGroup
    agency: str
    kinds: frozenset[ChangeKind]
    after_death: bool
    effective_from: date
    effective_to: date | None
    verified: bool
    source: str

    def in_force(self, day: date) -> bool:
        return self.effective_from <= day and (self.effective_to is None or day <= self.effective_to)

    def names(self, agency: str, agency_class: str) -> bool:
        """Tell whether the rule is about this agency, by its code or by its class."""
        return self.agency == agency or (bool(agency_class) and self.agency == f"class:{agency_class}")


@cache
def sources() -> tuple[Source, ...]:
    """Return the whole table."""
    text = resources.files(__package__).joinpath("source_of_truth.csv").read_text(encoding="utf-8")
    return tuple(
        Source(
            group=FieldGroup(row["field_group"]),
            agency=row["agency"],
            kinds=frozenset(ChangeKind(kind) for kind in row["kinds"].split("|")),
            after_death=row["after_death"] == "yes",
            effective_from=date.fromisoformat(row["effective_from"]),
            effective_to=date.fromisoformat(row["effective_to"]) if row["effective_to"] else None,
            verified=row["verified"] == "yes",
            source=row["source"],
        )
        for row in csv.DictReader(text.splitlines())
    )


def sources_on(day: date) -> list[Source]:
    """Return the rules in force on a day."""
    return [rule for rule in sources() if rule.in_force(day)]


@dataclass(frozen=True, slots=True)
class Wish:
    """A change as far as the table looks at it."""

    agency: str
    agency_class: str
    kind: ChangeKind
    of_the_dead: bool
    day: date

    def groups_elsewhere(self, groups: Iterable[FieldGroup]) -> dict[FieldGroup, list[str]]:
        """Return the groups that this agency may not change so, each with those that may."""
        rules = sources_on(self.day)
        return {
            group: sorted({r.agency for r in rules if r.group is group and self._admitted(r)})
            for group in groups
            if not any(
                r.group is group and self._admitted(r) and r.names(self.agency, self.agency_class)
                for r in rules
            )
        }

    def _admitted(self, rule: Source) -> bool:
        return self.kind in rule.kinds and (rule.after_death or not self.of_the_dead)
