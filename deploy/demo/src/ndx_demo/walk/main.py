"""The rooms of the walk, in the order in which one goes through them."""

from ndx_demo.walk import (
    birth,
    citizen,
    closing,
    effects,
    family,
    feed,
    ledger,
    quotas,
    refusals,
    verification,
)
from ndx_demo.walk.steps import Context, Walk, WalkResult


def run(context: Context) -> WalkResult:
    """Walk once, with a couple of the synthetic population that has not walked before.

    Raises:
        StepFailed: a step did not come out as it must; the words say which and what came instead.
        LoginRefused: the mother could not log in.
    """
    walk = Walk(context)
    try:
        parents = family.choose(context)
        holder = family.open_account(walk, parents.couple.mother)
        family.register_taxpayer(walk, parents.couple.father)
        child = birth.register(walk, parents)
        effects.see(walk, parents, child)
        verification.verify(walk, parents.couple.father)
        quotas.begin(walk, parents.couple.father)
        refusals.show(walk, child)
        quotas.run_out(walk, parents.couple.father)
        seen = citizen.reads_of_child(walk, holder, child)
        ledger.prove(walk, seen)
        elder = family.choose_elder(context)
        with feed.following(walk, elder) as bank:
            closing.register_death(walk, elder)
            feed.arrive(walk, bank)
        quotas.see_use(walk)
        return walk.result
    finally:
        walk.close()
