"""Rules as SQL over a row `p` of persons: pure; texts and codes are quoted here, and nothing else gets in.

The same conditions stand in the triggers, in the count of everybody and in the list of the people who break
a rule, so that the three cannot differ. They depend on the row and the generation alone, never on the clock:
what a trigger added for a row, it can take back on any later day.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from svc_population.personal_ids.personal_id import known_place_codes
from svc_population.persons.search_keys import COMMUNE, PROVINCE
from svc_population.quality.rules import Rule
from svc_population.quality.vocabulary import UNITS, Condition, Scope

_DATES = frozenset(
    {
        "birth_date",
        "permanent_since",
        "temporary_since",
        "temporary_until",
        "absence_from",
        "absence_until",
        "death_or_missing_date",
    }
)
_LIVING = "(p.life_status IN ('ALIVE', 'MISSING'))"
_SLICE = "substr(p.personal_id, 1, 6)"
"""Place, sex and year of the number: the slices in which everybody is counted are ranges of these."""
_RECORDED_ON = "(p.recorded_at AT TIME ZONE INTERVAL '7 hours')::date"
PROVINCE_OF_ROW, COMMUNE_OF_ROW = PROVINCE, COMMUNE
_PLACE = f"coalesce({PROVINCE}, '') AS province, coalesce({COMMUNE}, '') AS commune"
"""Where a person is counted, and lies within an agreement's scope; '' is nowhere."""


@dataclass(frozen=True, slots=True)
class Generation:
    """What the conditions of one generation rest on besides a row."""

    number: int
    rules: tuple[Rule, ...]
    horizon: date
    sliced: bool = False
    """Triggers note the slice of each record: it is being counted slice by slice."""


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _unit(column: str) -> str:
    """Return the alias of the joined unit of a column."""
    return f"u_{column.removesuffix('_commune_code')}"


def _empty(column: str) -> str:
    return f"p.{column} IS NULL" if column in _DATES else f"(p.{column} IS NULL OR p.{column} = '')"


def _each(rule: Rule, joined: str, form: str) -> str:
    """Return a condition about each column of a rule, joined."""
    return joined.join(form.format(column=f"p.{c}", pattern=_text(rule.pattern or "")) for c in rule.columns)


_CONDITIONS: dict[Condition, Callable[[Rule], str]] = {
    Condition.EMPTY: lambda r: " AND ".join(_empty(c) for c in r.columns),
    Condition.NUMBER_SEX_DIFFERS: lambda _: (
        "(get_byte(p.personal_id::bytea, 3) & 1) <> (p.sex = 'FEMALE')::int"
    ),
    Condition.NUMBER_BIRTH_YEAR_DIFFERS: lambda _: (
        "(1900 + 100 * ((get_byte(p.personal_id::bytea, 3) - 48) / 2)"
        " + substr(p.personal_id, 5, 2)::int) <> date_part('year', p.birth_date)::int"
    ),
    Condition.NUMBER_PLACE_UNKNOWN: lambda _: (
        f"substr(p.personal_id, 1, 3) NOT IN ({', '.join(_text(c) for c in sorted(known_place_codes()))})"
    ),
    Condition.BEFORE: lambda r: f"p.{r.columns[0]} < p.{r.columns[1]}",
    Condition.AFTER_RECORDING: lambda r: f"p.{r.columns[0]} > {_RECORDED_ON}",
    Condition.COMMUNE_UNKNOWN: lambda r: f"p.{r.columns[0]} <> '' AND {_unit(r.columns[0])}.code IS NULL",
    Condition.COMMUNE_ABOLISHED: lambda r: f"NOT {_unit(r.columns[0])}.current",
    Condition.PROVINCE_DIFFERS: lambda r: f"{_unit(r.columns[0])}.province_code <> p.{r.columns[1]}",
    Condition.NOT_COMPOSED: lambda r: _each(r, " OR ", "{column} IS NOT NFC NORMALIZED"),
    Condition.MATCHES: lambda r: _each(r, " OR ", "{column} ~ {pattern}"),
    Condition.MATCHES_NOT: lambda r: _each(r, " OR ", "{column} !~ {pattern}"),
}


def broken(rule: Rule) -> str:
    """Return the condition under which a row breaks a rule that does not depend on time; never null."""
    return f"coalesce({_scoped(rule, f'({_CONDITIONS[rule.condition](rule)})')}, false)"


def _scoped(rule: Rule, condition: str) -> str:
    if rule.scope is Scope.ALL:
        return condition
    return f"({_LIVING if rule.scope is Scope.LIVING else f'NOT {_LIVING}'} AND {condition})"


def due_on(rule: Rule) -> str:
    """Return the first day on which a row breaks a rule that time alone makes true; null for never."""
    column = f"p.{rule.columns[0]}"
    if rule.condition is Condition.AGE_PASSED:
        return f"make_date(date_part('year', {column})::int + {int(rule.years or 0) + 1}, 1, 1)"
    # The end of the calendar has no day after it; the register allows no such day, an import might.
    return f"CASE WHEN {column} < DATE '9999-12-31' THEN {column} + 1 END"


def bits(generation: Generation) -> str:
    """Return the bits of the rules that a row breaks on any day."""
    set_bits = [
        f"(CASE WHEN {broken(rule)} THEN {1 << n} ELSE 0 END)::bigint"
        for n, rule in enumerate(generation.rules)
        if not rule.timed
    ]
    return " | ".join(set_bits) or "0::bigint"


def dues(generation: Generation) -> str:
    """Return the days from which a row breaks the timed rules; empty when none is within the horizon."""
    timed = [r for r in generation.rules if r.timed]
    if not timed:
        return "'{}'::date[]"
    end = f"DATE '{generation.horizon.isoformat()}'"
    within = [f"({due_on(r)}) < {end}" for r in timed]
    days = ", ".join(
        f"CASE WHEN {w} THEN ({due_on(r)}) ELSE DATE 'infinity' END"
        for w, r in zip(within, timed, strict=True)
    )
    return f"CASE WHEN {_LIVING} AND ({' OR '.join(within)}) THEN ARRAY[{days}] ELSE '{{}}'::date[] END"


def units(generation: int, rules: Sequence[Rule]) -> str:
    """Return the joins that the conditions of these rules need.

    LIMIT keeps each one a look into the index, whatever number of rows a session's first statement had: a
    plan made for many would read the whole list for each single change.
    """
    columns = dict.fromkeys(r.columns[0] for r in rules if r.condition in UNITS)
    return "".join(
        f" LEFT JOIN LATERAL (SELECT u.code, u.current, u.province_code FROM quality_units u"  # noqa: S608 - names of columns
        f" WHERE u.generation = {int(generation)} AND u.code = p.{c} LIMIT 1) {_unit(c)} ON true"
        for c in columns
    )


def measured(generation: Generation, rows: str, *, by_slice: bool = False) -> str:
    """Return a query of (province, commune, living, bits, days, number) over rows that have a `sign`.

    `by_slice`: the slice comes first.
    """
    first = f"{_SLICE} AS slice, " if by_slice else ""
    keys = ", ".join(map(str, range(1, 7 if by_slice else 6)))
    return (
        f"SELECT {first}p.province AS province_code, p.commune AS commune_code, {_LIVING} AS living,"  # noqa: S608 - texts are quoted above
        f" {bits(generation)} AS broken, {dues(generation)} AS dues, sum(p.sign) AS n"
        f" FROM ({rows}) p{units(generation.number, generation.rules)}"
        f" GROUP BY {keys} HAVING sum(p.sign) <> 0"
    )


def rows_of(relation: str, sign: int, *, within: str = "") -> str:
    """Return the rows of persons, or of a transition table, as `measured` wants them."""
    return f"SELECT *, {_PLACE}, {sign} AS sign FROM {relation}{within}"  # noqa: S608 - names of this file


def next_slice(slice_: str) -> str:
    """Return what lies behind all numbers of a slice: a colon follows the digits."""
    return f"{slice_}:"


def between(column: str, begin: str, end: str | None) -> str:
    """Return the condition that a number, or a slice, is not before `begin` and is before `end`."""
    upper = "" if end is None else f" AND {column} < {_text(end)}"
    return f"{column} >= {_text(begin)}{upper}"


def trigger_functions(generations: Sequence[Generation]) -> tuple[str, ...]:
    """Return the statements that put generations into the triggers' functions."""
    sources = {
        "new": rows_of("added", 1),
        "gone": rows_of("gone", -1),
        "changed": f"{rows_of('added', 1)} UNION ALL {rows_of('gone', -1)}",
    }
    columns = "province_code, commune_code, living, broken, dues, n"
    return tuple(
        f"CREATE OR REPLACE FUNCTION measure_{kind}_persons() RETURNS trigger LANGUAGE plpgsql"  # noqa: S608 - the same
        " AS $body$ BEGIN "
        + "".join(
            f"INSERT INTO quality_deltas (generation, {'slice, ' if g.sliced else ''}{columns})"  # noqa: S608 - the same
            f" SELECT {g.number}, m.* FROM ({measured(g, rows, by_slice=g.sliced)}) m; "
            for g in generations
        )
        + "RETURN NULL; END $body$"
        for kind, rows in sources.items()
    )


def signature_text(rules: Sequence[Rule]) -> str:
    """Return what decides which records break the rules, apart from the list of communes."""
    generation = Generation(0, tuple(rules), date.max)
    codes = ",".join(r.code for r in rules)
    return f"{codes}\n{bits(generation)}\n{dues(generation)}\n{units(0, rules)}"


def faulty(generation: Generation, rule: Rule, day: date) -> str:
    """Return the condition under which a row breaks a rule on a day that the generation foresees."""
    if not rule.timed:
        return broken(rule)
    last = min(day, generation.horizon - timedelta(days=1)).isoformat()
    return f"coalesce(({_LIVING} AND ({due_on(rule)}) <= DATE '{last}'), false)"
