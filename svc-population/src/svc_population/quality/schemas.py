"""Indicators of quality as they are answered: rows that a chart takes, and the people behind a number."""

from datetime import date, datetime
from typing import Any

from ndx_contracts.bodies import Output
from ndx_contracts.field_groups import FieldGroup

from svc_population.quality.vocabulary import Dimension, Scope


class RuleOut(Output):
    """A rule in force; `agencies`: who is a source of this field group, and so can mend it."""

    code: str
    dimension: Dimension
    scope: Scope
    field_group: FieldGroup
    columns: tuple[str, ...]
    title_vi: str
    title: str
    source: str
    effective_from: date
    agencies: tuple[str, ...]


class RulesOut(Output):
    """The rules that are counted, with the day of the list of communes they rest on."""

    items: tuple[RuleOut, ...]
    units_on: date
    counted_at: datetime
    recounting: bool
    next_cursor: None = None


class RuleIndicatorOut(Output):
    """How many of those whom a rule is about break it; `percent` is the share of those who do not."""

    rule: str
    dimension: Dimension
    field_group: FieldGroup
    checked: int
    broken: int
    percent: float | None


class DimensionIndicatorOut(Output):
    """How many living people break no rule of a dimension."""

    dimension: Dimension
    checked: int
    faultless: int
    percent: float | None


class UnitIndicatorsOut(Output):
    """The indicators of a unit; no code: the country, or people who are registered nowhere.

    `current`: today's list has the unit; people may be recorded in one that it has not.
    """

    code: str | None
    name: str | None
    current: bool
    persons: int
    living: int
    dimensions: tuple[DimensionIndicatorOut, ...]
    rules: tuple[RuleIndicatorOut, ...]


class QualityIndicatorsOut(Output):
    """Indicators at this moment; `recounting`: changed rules are being counted, these are the former's."""

    level: str
    on: date
    units_on: date
    recounting: bool
    items: tuple[UnitIndicatorsOut, ...]
    next_cursor: None = None


class FaultyPersonOut(Output):
    """Somebody who breaks the rule, with what is recorded in the columns that it looks at."""

    personal_id: str
    recorded: dict[str, Any]


class FaultyPersonsOut(Output):
    """The people of a commune who break a rule."""

    rule: str
    title_vi: str
    title: str
    agencies: tuple[str, ...]
    items: tuple[FaultyPersonOut, ...]
    next_cursor: str | None
