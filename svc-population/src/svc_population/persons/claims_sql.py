"""The two gathered statements of a verification: what claims are about, and the record of a yes to all.

The first writes nothing and tells nobody anything. What it found is answered only when all claims hold and
the second has committed the record; all else goes by `verification.verify`, with the pair's guard locked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from svc_population.persons.lookup_sql import SCOPE


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whom claims are about, within which scope, and who makes them."""

    personal_id: str
    provinces: str | None
    """Codes joined by commas; None together with `communes` = the whole country."""
    communes: str | None
    agency: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The record of answers that were all yes."""

    id: UUID
    agency: str
    system: str
    officer: str | None
    case_id: str | None
    purpose: str
    agreement: str
    agreement_version: int
    operation: str
    subject: str
    field_groups: str
    request_id: str
    trace_id: str | None


_ASKED = (("personal_id", "text"), ("provinces", "text"), ("communes", "text"), ("agency", "text"))
_RECORDED = tuple(
    (name, {"id": "uuid", "agreement_version": "int4"}.get(name, "text")) for name in Confirmed.__slots__
)


def _unnested(parameters: Sequence[tuple[str, str]], prefix: str = "") -> str:
    arrays = ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(parameters, 1))
    names = ", ".join(prefix + name for name, _ in parameters)
    return f"unnest({arrays}) WITH ORDINALITY AS q({names}, n)"


CLAIMED = f"""
SELECT q.n, p.personal_id, p.surname, p.middle_name, p.given_name, p.birth_date, p.sex, p.nationality,
    p.ethnicity_code, p.home_town_province_code, p.permanent_province_code, p.permanent_commune_code,
    p.legacy_id_number, p.marital_status, p.life_status, guard.wrong, guard.bounds,
    p.personal_id IS NOT NULL AND {SCOPE} AS shown
FROM {_unnested(_ASKED, "asked_")}
LEFT JOIN LATERAL (
    SELECT f.superseded_by FROM former_personal_ids f WHERE f.personal_id = q.asked_personal_id
) former ON true
LEFT JOIN LATERAL (
    SELECT * FROM persons x WHERE x.personal_id = coalesce(former.superseded_by, q.asked_personal_id)
) p ON true
LEFT JOIN LATERAL (
    SELECT g.wrong, g.bounds FROM verification_guards g
    WHERE g.agency = q.asked_agency AND g.personal_id = p.personal_id AND g.window_ends_at > clock_timestamp()
) guard ON true
"""  # noqa: S608 - put together from the constants above; every value is a parameter

CONFIRM = f"""
WITH recorded AS (
    INSERT INTO disclosures (id, agency, system, officer, case_id, purpose, agreement, agreement_version,
        operation, subjects, field_groups, outcome, request_id, trace_id)
    SELECT id, agency, system, officer, case_id, purpose, agreement, agreement_version,
        operation, ARRAY[subject], string_to_array(field_groups, ','), 'MATCHED', request_id, trace_id
    FROM {_unnested(_RECORDED)}
)
SELECT n FROM generate_series(1, cardinality($1)) AS n
"""  # noqa: S608 - the same


def claimed_arguments(asked: Sequence[Claimed]) -> list[list[Any]]:
    """Return the parameters of `CLAIMED`."""
    return [[getattr(one, name) for one in asked] for name, _ in _ASKED]


def confirm_arguments(records: Sequence[Confirmed]) -> list[list[Any]]:
    """Return the parameters of `CONFIRM`."""
    return [[getattr(one, name) for one in records] for name, _ in _RECORDED]
