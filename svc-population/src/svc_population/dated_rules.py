"""Rules that are data with effective dates: reads a slice's `rules.json`, and says which rules a day has."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from importlib import resources
from typing import Any, Generic, Protocol, TypeVar


class InForce(Protocol):
    """What a slice reads of one entry of `rules`: a dataclass with the entry's members."""

    @property
    def effective_from(self) -> date: ...


Rules = TypeVar("Rules", bound=InForce)


@dataclass(frozen=True)
class DatedRules(Generic[Rules]):
    """The entries of a slice's `rules.json`, each in force from its own day until the next one's."""

    package: str
    entry: Callable[..., Rules]

    @cached_property
    def _newest_first(self) -> tuple[Rules, ...]:
        text = resources.files(self.package).joinpath("rules.json").read_text(encoding="utf-8")
        entries: list[dict[str, Any]] = json.loads(text)["rules"]
        rules = [
            self.entry(**{**members, "effective_from": date.fromisoformat(members["effective_from"])})
            for members in entries
        ]
        return tuple(sorted(rules, key=lambda r: r.effective_from, reverse=True))

    def on(self, day: date) -> Rules:
        """Return the rules of a day; those before the first ones are the first ones."""
        return next((r for r in self._newest_first if r.effective_from <= day), self._newest_first[-1])
