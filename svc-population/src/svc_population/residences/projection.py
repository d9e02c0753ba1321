"""How a running registration stands in the person's own row, and how one is read from there."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from svc_population.residences.vocabulary import ResidenceKind

_PREFIX = {
    ResidenceKind.PERMANENT: "permanent",
    ResidenceKind.TEMPORARY: "temporary",
    ResidenceKind.CURRENT: "current",
}


@dataclass(frozen=True, slots=True)
class Held:
    """What the person's row says of one kind of residence; equal when it says the same."""

    province_code: str | None
    commune_code: str | None
    address: str | None
    valid_from: date | None
    valid_to: date | None = None
    residence_file_number: str | None = None


def columns_of(kind: ResidenceKind, held: Held | None) -> dict[str, Any]:
    """Return the columns of the person's row; None empties them, stays have none."""
    if kind is ResidenceKind.STAY:
        return {}
    if kind is ResidenceKind.ABSENCE:
        return {
            "absence_from": None if held is None else held.valid_from,
            "absence_until": None if held is None else held.valid_to,
        }
    prefix = _PREFIX[kind]
    columns: dict[str, Any] = {
        f"{prefix}_{name}": None if held is None else getattr(held, name)
        for name in ("province_code", "commune_code", "address")
    }
    if kind is not ResidenceKind.CURRENT:
        columns[f"{prefix}_since"] = None if held is None else held.valid_from
    if kind is ResidenceKind.TEMPORARY:
        columns["temporary_until"] = None if held is None else held.valid_to
    if kind is ResidenceKind.PERMANENT:
        columns["residence_file_number"] = None if held is None else held.residence_file_number
    return columns


def shown(kind: ResidenceKind, person: object) -> Held | None:
    """Read what a person's row says of a kind; None: nothing."""
    if kind is ResidenceKind.STAY:
        return None
    if kind is ResidenceKind.ABSENCE:
        begin, end = getattr(person, "absence_from"), getattr(person, "absence_until")  # noqa: B009 - the type is another slice's
        return None if begin is None else Held(None, None, None, begin, end)
    prefix = _PREFIX[kind]
    commune: str | None = getattr(person, f"{prefix}_commune_code")
    if commune is None:
        return None
    permanent = kind is ResidenceKind.PERMANENT
    return Held(
        province_code=getattr(person, f"{prefix}_province_code"),
        commune_code=commune,
        address=getattr(person, f"{prefix}_address"),
        valid_from=None if kind is ResidenceKind.CURRENT else getattr(person, f"{prefix}_since"),
        valid_to=getattr(person, "temporary_until") if kind is ResidenceKind.TEMPORARY else None,  # noqa: B009 - the same
        residence_file_number=getattr(person, "residence_file_number") if permanent else None,  # noqa: B009 - the same
    )


def same(kind: ResidenceKind, one: Held, other: Held) -> bool:
    """Tell whether the person's row would look the same with either."""
    return columns_of(kind, one) == columns_of(kind, other)
