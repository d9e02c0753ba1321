"""What a change must fit: the calendar, the person's life, and what the personal number is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from ndx_chassis.errors import FieldError
from ndx_contracts.field_groups import FieldGroup
from ndx_contracts.population import Sex

from svc_population.personal_ids.personal_id import parse, places
from svc_population.persons.vocabulary import LifeStatus

OLDEST_YEAR = 1850
WITHOUT_PERIODS = frozenset(
    {
        FieldGroup.BIRTH_DATE,
        FieldGroup.SEX,
        FieldGroup.BIRTH_PLACE,
        FieldGroup.BIRTH_REGISTRATION_PLACE,
        FieldGroup.CARD_HISTORY,
        FieldGroup.DEATH_OR_MISSING_DATE,
    }
)
"""Groups that are wrong for good or not at all: facts of birth, and what has days of its own."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of the person before the change."""

    personal_id: str
    birth_date: date
    life_status: str


def date_faults(
    values: Mapping[FieldGroup, Any], facts: Facts, *, effective_from: date, issued_on: date, today: date
) -> Iterable[FieldError]:
    """Yield what cannot be by the calendar or by the person's life."""
    born = values.get(FieldGroup.BIRTH_DATE, facts.birth_date)
    if effective_from > today:
        yield _fault("effective_from", "in-the-future", "a change that is not true yet")
    if effective_from < min(born, facts.birth_date):
        yield _fault("effective_from", "before-birth", "the person was not born")
    if issued_on > today:
        yield _fault("document.issued_on", "in-the-future", "a document that is not issued yet")
    if born > today or born.year < OLDEST_YEAR:
        yield _fault("changes.birth_date", "impossible-date", "nobody alive or dead of whom the record is")
    yield from _end_faults(values.get(FieldGroup.DEATH_OR_MISSING_DATE), facts, born, today)
    for n, card in enumerate(values.get(FieldGroup.CARD_HISTORY, ())):
        where = f"changes.card_history.{n}"
        if not born <= card["issued_on"] <= today:
            yield _fault(f"{where}.issued_on", "impossible-date", "before birth or in the future")
        if card["valid_to"] is not None and card["valid_to"] < card["issued_on"]:
            yield _fault(f"{where}.valid_to", "impossible-date", "ends before it begins")


def period_faults(
    groups: Iterable[FieldGroup], *, first: date, last: date, today: date
) -> Iterable[FieldError]:
    """Yield what cannot be of a correction that holds from a first day to a last one."""
    if last < first:
        yield _fault("effective_to", "impossible-date", "ends before it begins")
    if last >= today:
        yield _fault("effective_to", "not-over", "a period that is not over has no last day yet")
    for group in groups:
        if group in WITHOUT_PERIODS:
            yield _fault(
                f"changes.{group.value}", "no-period", "it holds for a whole life or has its own dates"
            )


def _end_faults(end: Mapping[str, Any] | None, facts: Facts, born: date, today: date) -> Iterable[FieldError]:
    if end is None:
        return
    if not born <= end["date"] <= today:
        yield _fault("changes.death_or_missing_date.date", "impossible-date", "before birth or in the future")
    if end["status"] == LifeStatus.DECEASED and facts.life_status != LifeStatus.DECEASED:
        yield _fault(
            "changes.death_or_missing_date.status",
            "death-not-registered",
            "a death comes from its registration at the civil registry",
        )


def takes_back_death(values: Mapping[FieldGroup, Any]) -> bool:
    """Tell whether new values of a dead person's record say that the person did not die."""
    group = FieldGroup.DEATH_OR_MISSING_DATE
    end = values.get(group)
    return group in values and (end is None or end["status"] != LifeStatus.DECEASED)


def contradictions(values: Mapping[FieldGroup, Any], facts: Facts) -> list[FieldError]:
    """Return the new values that the number contradicts: sex, birth year, province of registration."""
    number = parse(facts.personal_id)
    found = []
    born: date | None = values.get(FieldGroup.BIRTH_DATE)
    if born is not None and born.year != number.birth_year:
        found.append(_fault("changes.birth_date", "personal-id-decides", "another year than in the number"))
    sex = values.get(FieldGroup.SEX)
    if sex is not None and Sex(sex) is not number.sex:
        found.append(_fault("changes.sex", "personal-id-decides", "another sex than in the number"))
    place = values.get(FieldGroup.BIRTH_REGISTRATION_PLACE)
    if place is not None and not any(
        p.code == number.place_code and p.province_code == place["province_code"] for p in places()
    ):
        found.append(
            _fault(
                "changes.birth_registration_place", "personal-id-decides", "another place than in the number"
            )
        )
    return found


def _fault(field: str, code: str, detail: str) -> FieldError:
    return FieldError(field=f"body.{field}", code=code, detail=detail)
