"""Use cases of quality: the rules that are counted, and the upkeep of the counts."""

from ndx_chassis.app import Runtime
from sqlalchemy.ext.asyncio import AsyncSession

from svc_population.admin_units.service import today
from svc_population.quality import recounting, repository
from svc_population.quality.generations import live, rule_of
from svc_population.quality.rules import Rule, agencies_of
from svc_population.quality.schemas import RuleOut, RulesOut

_A_RUN = 50_000


async def rules(session: AsyncSession) -> RulesOut:
    """Return the rules that are counted.

    Raises:
        QualityNotCounted: nobody was counted yet.
    """
    kept, generation, again = await live(session)
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


async def counted_rule(session: AsyncSession, rule_code: str) -> Rule:
    """Return a rule that is counted.

    Raises:
        QualityNotCounted: nobody was counted yet.
        QualityRuleUnknown: no such rule is counted.
    """
    return rule_of((await live(session))[1], rule_code)


async def bring_rules_up_to_date(runtime: Runtime) -> int | None:
    """Let today's rules and communes be what is counted; return the number of a generation counted now."""
    return await recounting.bring_up_to_date(runtime.sessions)


async def fold(runtime: Runtime) -> int:
    """Fold what triggers noted into the counts, some a transaction, until few are left; return how many."""
    folded, moved = 0, _A_RUN
    while moved == _A_RUN:
        async with runtime.sessions() as session, session.begin():
            moved = await repository.fold(session, limit=_A_RUN)
        folded += moved
    return folded
