"""Use cases: the people who break a rule, shown to who may see them, and read for use inside."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from ndx_chassis.agreements import Grant
from ndx_chassis.app import Runtime
from ndx_chassis.caller import Caller
from ndx_chassis.disclosure import disclose
from ndx_contracts.disclosure import Outcome
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.persons.field_groups import storable
from svc_population.quality import repository
from svc_population.quality.conditions import Generation
from svc_population.quality.cursors import Cursors
from svc_population.quality.generations import of_one_generation, rule_of
from svc_population.quality.rules import Rule, agencies_of, rules_on
from svc_population.quality.schemas import FaultyPersonOut, FaultyPersonsOut
from svc_population.settings import settings_of

GROUPS = tuple(
    g
    for g in FieldGroup
    if g is FieldGroup.PERSONAL_ID or any(g in rule.groups for rule in rules_on(date.max))
)
"""Field groups that a list of people can show."""


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
        rule = rule_of(generation, rule_code)
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

    _, (rule, found) = await of_one_generation(session, read)
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
        rule = rule_of(generation, rule_code)
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

    _, found = await of_one_generation(session, read)
    return found
