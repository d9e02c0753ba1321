"""The model as data: comparisons, blocking rules, probabilities and zones from one file for every engine.

The part `settings` is in Splink's own form with SQL that DuckDB and Spark both understand. The prior is not:
it is derived from the expected duplicates per person and the number of people, so one file fits a commune and
a nation.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from ndx_contracts.bodies import Input
from pydantic import Field, model_validator

from svc_population.dedupe.zones import UNKNOWN, ZoneRules

LOWEST_WEIGHT = -20.0
LEAST_M = 0.001


class Model(Input):
    """A model of a version; `origin` says where its probabilities come from."""

    version: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}(\.\d+)?$")
    origin: str
    expected_duplicates_per_person: float = Field(gt=0, lt=1)
    settings: dict[str, Any]
    zones: ZoneRules

    @model_validator(mode="after")
    def _names_known_levels(self) -> "Model":
        known = {name: set(labels) | {UNKNOWN} for name, labels in self.labels().items()}
        review = self.zones.review
        named = [*review.levels.items(), *review.unless.items()]
        corroborations = [c for rule in self.zones.sure for c in rule.corroborations]
        for rule in self.zones.sure:
            named += [*rule.levels.items(), *rule.contradictions.items()]
        named += [(c.comparison, c.levels) for c in corroborations]
        for comparison, levels in named:
            if not set(levels) <= known.get(comparison, set()):
                raise ValueError(f"a zone names a level that {comparison} does not have")
        if {c.comparison for c in corroborations} & {"name", "birth_date"}:
            raise ValueError("name and birth date corroborate nothing")
        if any("SAME" not in rule.contradictions.get("household", ()) for rule in self.zones.sure):
            raise ValueError("a household counts its members: two of one are never sure")
        return self

    def labels(self) -> dict[str, tuple[str, ...]]:
        """Return the labels of each comparison's levels, the weakest first, as Splink numbers them."""
        return {
            comparison["output_column_name"]: tuple(
                reversed(
                    [
                        level["label_for_charts"]
                        for level in comparison["comparison_levels"]
                        if not level.get("is_null_level")
                    ]
                )
            )
            for comparison in self.settings["comparisons"]
        }

    def prior(self, persons: int) -> float:
        """Return how likely two random records of so many are one person."""
        return min(0.5, 2 * self.expected_duplicates_per_person / max(1, persons - 1))

    def settings_for(self, persons: int) -> dict[str, Any]:
        """Return Splink's settings for a register of so many people."""
        return {
            "link_type": "dedupe_only",
            "unique_id_column_name": "unique_id",
            "retain_matching_columns": True,
            "retain_intermediate_calculation_columns": False,
            "probability_two_random_records_match": self.prior(persons),
            **self.settings,
        }

    def levels_of(self, gammas: Mapping[str, int]) -> dict[str, str]:
        """Return the label of each comparison's level by its number; a negative one is an empty side."""
        return {
            name: labels[gammas[name]] if gammas[name] >= 0 else UNKNOWN
            for name, labels in self.labels().items()
        }

    def with_chances(
        self,
        chances: Mapping[str, Mapping[str, float]],
        *,
        version: str,
        origin: str,
        learned: Mapping[str, Mapping[str, float]] | None = None,
    ) -> "Model":
        """Return another version with u as it was found in a register; what was not seen stays.

        `learned` is m: no level gets less than one in a thousand, so that what a register did not show yet is
        rare, never impossible.
        """
        raw = self.model_dump(mode="json")
        for comparison in raw["settings"]["comparisons"]:
            name = comparison["output_column_name"]
            found, seen = chances.get(name, {}), (learned or {}).get(name, {})
            levels = [level for level in comparison["comparison_levels"] if not level.get("is_null_level")]
            for level in levels:
                chance = found.get(level["label_for_charts"])
                if chance is not None:
                    level["u_probability"] = float(f"{chance:.3g}")
            if seen:
                shares = [max(LEAST_M, seen.get(x["label_for_charts"], x["m_probability"])) for x in levels]
                for level, share in zip(levels, shares, strict=True):
                    level["m_probability"] = float(f"{share / sum(shares):.3g}")
        return Model.model_validate_json(json.dumps({**raw, "version": version, "origin": origin}))

    @property
    def digest(self) -> str:
        """Return what tells this model from another one of the same version."""
        written = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(written.encode()).hexdigest()

    @property
    def least_weight(self) -> float:
        """Return the weight (log2 of the odds) below which every pair is in the zone NO."""
        least = self.zones.review.least_probability
        return max(LOWEST_WEIGHT, math.log2(least / (1 - least)))


def load_model(path: Path | None = None) -> Model:
    """Return the model of a file, or the one that comes with the service."""
    text = (
        resources.files(__package__).joinpath("model.json").read_text(encoding="utf-8")
        if path is None
        else path.read_text(encoding="utf-8")
    )
    return Model.model_validate_json(json.dumps(json.loads(text)))
