"""Use cases of quality: the rules, the indicators of units, the people who break a rule, upkeep."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import date
from typing import Any, Literal, TypeVar
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import Row, RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.admin_units.succession import units_in_time
from svc_population.persons.field_groups import storable
from svc_population.quality import recounting, repository
from svc_population.quality.conditions import Generation
from svc_population.quality.cursors import Cursors
from svc_population.quality.errors import QualityNotCounted, QualityRuleUnknown
from svc_population.quality.models import QualityGeneration
from svc_population.quality.rules import Rule, agencies_of, rules_on
from svc_population.quality.schemas import (
    DimensionIndicatorOut,
    FaultyPersonOut,
    FaultyPersonsOut,
    QualityIndicatorsOut,
    RuleIndicatorOut,
    RuleOut,
    RulesOut,
    UnitIndicatorsOut,
)
from svc_population.quality.vocabulary import Dimension
from svc_population.settings import settings_of

Level = Literal["COUNTRY", "PROVINCE", "COMMUNE"]
GROUPS = tuple(
    g
    for g in FieldGroup
    if g is FieldGroup.PERSONAL_ID or any(g in rule.groups for rule in rules_on(date.max))
)
"""Field groups that a list of people can show."""
_A_RUN = 50_000
_TRIES = 3
"""Generations follow each other once a day, not within a request."""
_Read = TypeVar("_Read")


async def _live(session: AsyncSession) -> tuple[QualityGeneration, Generation, bool]:
    found, recounted = await repository.live(session)
    if found is None:
        raise QualityNotCounted
    return found, recounting.compiled(found), recounted


async def _of_one_generation(
    session: AsyncSession, read: Callable[[Generation], Awaitable[_Read]]
) -> tuple[tuple[QualityGeneration, Generation, bool], _Read]:
    """Return a generation with what was read for it, while it was there.

    Its counts and communes go in the transaction that puts the next one in its place: if it is the live one
    still, they were whole.
    """
    found = await _live(session)
    for _ in range(_TRIES):
        rows = await read(found[1])
        now = await _live(session)
        if now[1].number == found[1].number:
            return found, rows
        found = now
    raise QualityNotCounted


async def rules(session: AsyncSession) -> RulesOut:
    """Return the rules that are counted.

    Raises:
        QualityNotCounted: nobody was counted yet.
    """
    kept, generation, again = await _live(session)
    day = today()
    return RulesOut(
        items=tuple(
            RuleOut(
                code=r.code,
                dimension=r.dimension,
                scope=r.scope,
                field_group=r.named_group,
                columns=r.columns,
                title_vi=r.title_vi,
                title=r.title,
                source=r.source,
                effective_from=r.effective_from,
                agencies=agencies_of(r, day),
            )
            for r in generation.rules
        ),
        units_on=kept.units_on,
        counted_at=kept.counted_at or kept.begun_at,
        recounting=again,
    )


async def indicators(
    session: AsyncSession,
    *,
    grant: Grant,
    level: Level,
    province_code: str | None,
    commune_code: str | None,
    dimension: Dimension | None,
    agency: str | None,
) -> QualityIndicatorsOut:
    """Return exact indicators of the units within the agreement's area, at this moment.

    `agency`: only rules about what this agency is a source of.

    Raises:
        QualityNotCounted: nobody was counted yet.
        OutsideAdminScope: the asked unit lies outside the agreement's area.
    """
    provinces, communes = _asked(grant, province_code, commune_code)
    day = today()

    async def read(generation: Generation) -> Sequence[Row[Any]]:
        return await repository.indicators(
            session, generation, level=level, day=day, provinces=provinces, communes=communes
        )

    (kept, generation, again), rows = await _of_one_generation(session, read)
    shown = [
        (n, rule)
        for n, rule in enumerate(generation.rules)
        if (dimension is None or rule.dimension is dimension)
        and (agency is None or agency in agencies_of(rule, day))
    ]
    wanted = [d for d in Dimension if dimension in {None, d}]
    units: dict[str, list[Any]] = {}
    for row in rows:
        units.setdefault(row.unit, []).append(row)
    return QualityIndicatorsOut(
        level=level,
        on=day,
        units_on=kept.units_on,
        recounting=again,
        items=tuple(_unit(level, code, found, shown, wanted) for code, found in units.items()),
    )


async def everywhere(session: AsyncSession, *, level: Level) -> tuple[int, tuple[UnitIndicatorsOut, ...]]:
    """Return the generation and the exact indicators of all units of a level, for what is kept of them.

    Raises:
        QualityNotCounted: nobody was counted yet.
    """

    async def read(generation: Generation) -> Sequence[Row[Any]]:
        return await repository.indicators(
            session, generation, level=level, day=today(), provinces=None, communes=None
        )

    (_, generation, _), rows = await _of_one_generation(session, read)
    units: dict[str, list[Any]] = {}
    for row in rows:
        units.setdefault(row.unit, []).append(row)
    shown = list(enumerate(generation.rules))
    return generation.number, tuple(
        _unit(level, code, found, shown, list(Dimension)) for code, found in units.items()
    )


def name_of(level: Level, code: str) -> str | None:
    """Return a unit's name, of a former list if today's has it not."""
    return _named(level, code)[0]


async def counted_rule(session: AsyncSession, rule_code: str) -> Rule:
    """Return a rule that is counted.

    Raises:
        QualityNotCounted: nobody was counted yet.
        QualityRuleUnknown: no such rule is counted.
    """
    return _rule(await _live(session), rule_code)


def _rule(live: tuple[QualityGeneration, Generation, bool], rule_code: str) -> Rule:
    rule = next((r for r in live[1].rules if r.code == rule_code), None)
    if rule is None:
        raise QualityRuleUnknown
    return rule


async def communes_with_faults(
    session: AsyncSession, rule_code: str, *, province_code: str | None
) -> dict[str, int]:
    """Return how many people break a rule by commune, where any do; '' is nowhere.

    Raises:
        QualityNotCounted, QualityRuleUnknown: as `counted_rule`.
    """
    provinces = None if province_code is None else [province_code]

    async def read(generation: Generation) -> Sequence[Row[Any]]:
        return await repository.indicators(
            session,
            generation,
            level="COMMUNE",
            day=today(),
            provinces=provinces,
            communes=None if provinces is None else [],
        )

    live, rows = await _of_one_generation(session, read)
    place = live[1].rules.index(_rule(live, rule_code))
    found: dict[str, int] = {}
    for row in rows:
        if row.by_rule[place]:
            found[row.unit] = found.get(row.unit, 0) + row.by_rule[place]
    return found


async def people_with_fault(
    session: AsyncSession,
    rule_code: str,
    *,
    commune_code: str,
    province_code: str | None,
    after: UUID | None,
    limit: int,
) -> tuple[Rule, Sequence[RowMapping]]:
    """Return people of a commune who break a rule with what it looks at, by person, for use inside.

    Raises:
        QualityNotCounted, QualityRuleUnknown: as `counted_rule`.
    """

    async def read(generation: Generation) -> tuple[Rule, Sequence[RowMapping]]:
        rule = next((r for r in generation.rules if r.code == rule_code), None)
        if rule is None:
            raise QualityRuleUnknown
        return rule, await repository.people(
            session,
            generation,
            rule,
            commune_code=commune_code,
            provinces=None if province_code is None else [province_code],
            day=today(),
            after=after,
            limit=limit,
        )

    _, found = await _of_one_generation(session, read)
    return found


def _asked(
    grant: Grant, province_code: str | None, commune_code: str | None
) -> tuple[list[str] | None, list[str] | None]:
    """Return the provinces and communes to count; None and None: everywhere."""
    if commune_code is not None:
        province = units_in_time().province_of(commune_code, today())
        grant.require_scope(None if province is None else province.code, commune_code)
        return None, [commune_code]
    scope = grant.agreement.admin_scope
    if province_code is not None:
        if grant.covers(province_code, None):
            return [province_code], None
        # Of a province that is not covered whole, the communes that are.
        within = [c for c in scope.communes if _lies_in(c, province_code)]
        if not within:
            grant.require_scope(province_code, None)
        return None, within
    if not scope.provinces and not scope.communes:
        return None, None
    return list(scope.provinces), list(scope.communes)


def _lies_in(commune_code: str, province_code: str) -> bool:
    province = units_in_time().province_of(commune_code, today())
    return province is not None and province.code == province_code


def _unit(
    level: Level, code: str, rows: Sequence[Any], shown: Iterable[tuple[int, Rule]], wanted: list[Dimension]
) -> UnitIndicatorsOut:
    living = sum(r.persons for r in rows if r.living)
    everybody = sum(r.persons for r in rows)
    name, current = _named(level, code)
    faultless = {
        d: sum(r.faultless[n] or 0 for r in rows if r.living) for n, d in enumerate(Dimension) if d in wanted
    }
    return UnitIndicatorsOut(
        code=code or None,
        name=name,
        current=current,
        persons=everybody,
        living=living,
        dimensions=tuple(
            DimensionIndicatorOut(
                dimension=d, checked=living, faultless=faultless[d], percent=percent(faultless[d], living)
            )
            for d in wanted
        ),
        rules=tuple(_indicator(n, rule, rows) for n, rule in shown),
    )


def _indicator(place: int, rule: Rule, rows: Sequence[Any]) -> RuleIndicatorOut:
    checked = sum(r.persons for r in rows if rule.concerns(living=r.living))
    broken = sum(r.by_rule[place] or 0 for r in rows)
    return RuleIndicatorOut(
        rule=rule.code,
        dimension=rule.dimension,
        field_group=rule.named_group,
        checked=checked,
        broken=broken,
        percent=percent(checked - broken, checked),
    )


def percent(part: int, whole: int) -> float | None:
    """Return a share with two decimals, cut and not rounded: 100 means that nobody is left."""
    return None if whole == 0 else part * 10_000 // whole / 100


def _named(level: Level, code: str) -> tuple[str | None, bool]:
    """Return a unit's name and whether today's list has it; one of a former list by its last name there."""
    if level == "COUNTRY":
        return "Việt Nam", True
    unit = units_in_time().unit(level, code, today())
    if unit is not None:
        return unit.full_name, True
    former = units_in_time().periods.get((level, code), [])
    return (max(former, key=lambda p: p.valid_from).full_name if former else None), False


async def faulty_persons(
    session: AsyncSession,
    runtime: Runtime,
    *,
    caller: Caller,
    grant: Grant,
    rule_code: str,
    commune_code: str,
    cursor: str | None,
    limit: int,
) -> FaultyPersonsOut:
    """Return the people of a commune who break a rule, each one recorded as disclosed.

    The commune is the one that the person's row says, also one that no list has any more. Only those are
    shown who lie within the agreement's scope.

    Raises:
        QualityNotCounted: nobody was counted yet.
        QualityRuleUnknown: no such rule is counted.
        FieldGroupNotCovered: the agreement does not hold what the rule looks at.
        CursorInvalid: the cursor was not given for this list.
    """
    cursors = Cursors(settings_of(runtime).personal_id_key_file, caller.agency, rule_code, commune_code)
    after = None if cursor is None else cursors.open(cursor)
    provinces = grant.agreement.admin_scope.provinces
    anywhere = grant.covers(None, commune_code)

    async def read(generation: Generation) -> tuple[Rule, Sequence[RowMapping]]:
        rule = next((r for r in generation.rules if r.code == rule_code), None)
        if rule is None:
            raise QualityRuleUnknown
        grant.require_field_groups({FieldGroup.PERSONAL_ID, *rule.groups})
        return rule, await repository.people(
            session,
            generation,
            rule,
            commune_code=commune_code,
            provinces=None if anywhere else provinces,
            day=today(),
            after=after,
            limit=limit + 1,
        )

    _, (rule, found) = await _of_one_generation(session, read)
    groups = frozenset({FieldGroup.PERSONAL_ID, *rule.groups})
    shown = found[:limit]
    await disclose(
        session,
        caller,
        grant=grant,
        subjects=sorted(row["personal_id"] for row in shown),
        field_groups=groups,
        outcome=Outcome.DISCLOSED if shown else Outcome.NOT_FOUND,
    )
    return FaultyPersonsOut(
        rule=rule.code,
        title_vi=rule.title_vi,
        title=rule.title,
        agencies=agencies_of(rule, today()),
        items=tuple(
            FaultyPersonOut(
                personal_id=row["personal_id"],
                recorded={c: storable(row[c]) for c in rule.columns if c != "personal_id"},
            )
            for row in shown
        ),
        next_cursor=cursors.seal(shown[-1]["person_id"]) if len(found) > limit else None,
    )


async def bring_rules_up_to_date(runtime: Runtime) -> int | None:
    """Let today's rules and communes be what is counted; return the number of a generation counted now."""
    return await recounting.bring_up_to_date(runtime.sessions)


async def fold(runtime: Runtime) -> int:
    """Fold what triggers noted into the counts; return how many notes."""
    async with runtime.sessions() as session, session.begin():
        return await repository.fold(session, limit=_A_RUN)
