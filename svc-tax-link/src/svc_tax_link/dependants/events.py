"""Turns dependants into the events that other domains hear."""

from datetime import date
from uuid import UUID

from ndx_contracts.events import DependantCountedTwice, DependantRegistered

from svc_tax_link.dependants.months import Months, written


def registered(
    *, dependant_id: UUID, personal_id: str, payer_personal_id: str | None, from_month: date
) -> DependantRegistered:
    return DependantRegistered(
        dependant_id=dependant_id,
        dependant_personal_id=personal_id,
        taxpayer_personal_id=payer_personal_id,
        from_month=written(from_month),
    )


def counted_twice(
    dependant_id: UUID, personal_id: str, months: Months, *, undone: bool = False, settled: bool = False
) -> DependantCountedTwice:
    first, last = months
    return DependantCountedTwice(
        dependant_id=dependant_id,
        dependant_personal_id=personal_id,
        from_month=written(first),
        to_month=None if last is None else written(last),
        undone=undone,
        settled=settled,
    )
