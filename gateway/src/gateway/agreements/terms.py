"""Whether terms fit what the exchange offers: asked when they are drafted and when they are submitted."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ndx_contracts.agreements import AgreementTerms

from gateway.agreements.errors import TermsRefused


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be agreed on: each operation's field groups, and each service's providing agency."""

    field_groups: Mapping[str, Sequence[str]]
    owners: Mapping[str, str]


def check(terms: AgreementTerms, offer: Offer, systems: Collection[str]) -> None:
    """Refuse terms that name what is not there; `systems` are those of the consumer agency.

    Raises:
        TermsRefused: says which part does not fit.
    """
    for grant in terms.operations:
        owner = offer.owners.get(grant.operation.partition(".")[0])
        if owner != terms.provider_agency:
            raise TermsRefused(f"{terms.provider_agency} is not the agency that provides {grant.operation}.")
        groups = offer.field_groups.get(grant.operation)
        if groups is None:
            raise TermsRefused(f"There is no operation {grant.operation}.")
        extra = sorted(set(grant.field_groups) - set(groups))
        if extra:
            raise TermsRefused(f"{grant.operation} does not disclose {', '.join(extra)}.")
    unknown = sorted(set(terms.consumer_systems) - set(systems))
    if terms.consumer_agency is not None and unknown:
        raise TermsRefused(f"{terms.consumer_agency} has no system {', '.join(unknown)}.")
