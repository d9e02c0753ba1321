"""The statements of the hot read: many lookups, their records, and nobody's data mixed with another's.

Each asked row joins at most one person (LATERAL, so the database visits one partition), gets its outcome, and
leaves its disclosure record, also when nobody is found. The relatives, the household and the cards are read
for the rows that ask for them. Reads the tables of `relationships` as well: one step instead of two. Where no
row of a batch asks for them, a statement without those tables takes two thirds of the time: much of the rest
goes into opening the partitions of each table that a statement names.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from svc_population.persons.field_groups import COLUMNS


class Lookup(NamedTuple):
    """One question: whom, what besides the person's own row, within which scope, and on whose record."""

    personal_id: str
    provinces: str | None
    """Codes joined by commas; None together with `communes` = the whole country."""
    communes: str | None
    want_family: bool
    want_household: bool
    want_cards: bool
    id: UUID
    agency: str
    system: str
    officer: str | None
    case_id: str | None
    purpose: str
    agreement: str
    agreement_version: int
    operation: str
    field_groups: str
    request_id: str
    trace_id: str | None


_TYPES = {
    "want_family": "bool",
    "want_household": "bool",
    "want_cards": "bool",
    "id": "uuid",
    "agreement_version": "int4",
}
"""Types of the parameters that are no text."""
_ARRAYS = ", ".join(f"${n}::{_TYPES.get(name, 'text')}[]" for n, name in enumerate(Lookup._fields, 1))
_NAMES = ", ".join(f"asked_{name}" for name in Lookup._fields)
# Each column costs time on its way, so none is taken or given that no answer holds.
_COLUMNS = ("person_id", "version", *sum(COLUMNS.values(), ()))
_OF_PERSON = ", ".join(f"p.{column}" for column in _COLUMNS)
_GIVEN = ", ".join(("n", "shown", "family", "household", "cards", *_COLUMNS))

_NAME = "concat_ws(' ', {0}.surname, {0}.middle_name, {0}.given_name)"
_RELATIVE = (
    "json_build_object('relation', {relation}, 'personal_id', {number}, 'name', {name},"
    " 'nationality', {nationality}, 'legacy_id_number', o.legacy_id_number)"
)
_PARENTS = _RELATIVE.format(
    relation="r.relation",
    number="r.related_personal_id",
    name=f"coalesce(nullif({_NAME.format('o')}, ''), r.related_name)",
    nationality="coalesce(o.nationality, r.related_nationality)",
)
_CHILDREN = _RELATIVE.format(
    relation="CASE r.relation WHEN 'GUARDIAN' THEN 'WARD' ELSE 'CHILD' END",
    number="o.personal_id",
    name=_NAME.format("o"),
    nationality="o.nationality",
)

# For a person without a registered residence who was born since the provinces of today exist, the place of
# registration decides; older places of registration carry codes of another list.
SCOPE = """coalesce(
    (q.asked_provinces IS NULL AND q.asked_communes IS NULL)
    OR coalesce(p.permanent_province_code, CASE WHEN p.birth_date >= DATE '2025-07-01'
        THEN p.birth_registration_province_code END) = ANY (string_to_array(q.asked_provinces, ','))
    OR coalesce(p.permanent_commune_code, CASE WHEN p.birth_date >= DATE '2025-07-01'
        THEN p.birth_registration_commune_code END) = ANY (string_to_array(q.asked_communes, ',')), false)"""

# Relatives and members of the household whom the answer names: it is their data as well.
_OTHERS = """ARRAY(SELECT DISTINCT other ->> 'personal_id' FROM unnest(ARRAY[family, household])
            AS told (people), json_array_elements(told.people::json) AS other
            WHERE other ->> 'personal_id' <> found.personal_id)"""

_MORE = f"""
    LEFT JOIN LATERAL (
        SELECT json_agg(relative)::text AS family FROM (
            SELECT {_PARENTS} AS relative FROM relationships r
            LEFT JOIN persons o ON o.personal_id = r.related_personal_id
            WHERE r.personal_id = p.personal_id AND q.asked_want_family
            UNION ALL
            SELECT {_CHILDREN} FROM relationships r JOIN persons o ON o.personal_id = r.personal_id
            WHERE r.related_personal_id = p.personal_id AND r.relation IN ('MOTHER', 'FATHER', 'GUARDIAN')
                AND q.asked_want_family
        ) relatives
    ) family ON true
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_object('personal_id', m.personal_id, 'name', {_NAME.format("m")},
            'relation_to_head', m.relation_to_head, 'legacy_id_number', m.legacy_id_number)
            ORDER BY m.relation_to_head = 'HEAD' DESC, m.birth_date)::text AS household
        FROM persons m WHERE m.household_number = p.household_number AND q.asked_want_household
    ) household ON true
    LEFT JOIN LATERAL (
        SELECT json_agg(json_build_object('kind', c.kind, 'issued_on', c.issued_on,
            'issued_at', c.issued_at, 'valid_to', c.valid_to) ORDER BY c.issued_on)::text AS cards
        FROM person_cards c WHERE c.personal_id = p.personal_id AND q.asked_want_cards
    ) cards ON true"""  # noqa: S608 - put together from the constants above


def _statement(*, more: bool) -> str:
    told, joined, others = (
        (
            "family.family, household.household, cards.cards",
            _MORE,
            f"CASE WHEN shown AND (asked_want_family OR asked_want_household) THEN {_OTHERS} ELSE '{{}}' END",
        )
        if more
        else ("NULL::text AS family, NULL::text AS household, NULL::text AS cards", "", "'{}'::text[]")
    )
    return f"""
WITH found AS (
    SELECT q.*, {_OF_PERSON}, {told}, p.personal_id IS NOT NULL AND {SCOPE} AS shown
    FROM unnest({_ARRAYS}) WITH ORDINALITY AS q({_NAMES}, n)
    LEFT JOIN LATERAL (
        SELECT f.superseded_by FROM former_personal_ids f WHERE f.personal_id = q.asked_personal_id
    ) former ON true
    LEFT JOIN LATERAL (
        SELECT * FROM persons x
        WHERE x.personal_id = coalesce(former.superseded_by, q.asked_personal_id)
    ) p ON true{joined}
), recorded AS (
    INSERT INTO disclosures (id, agency, system, officer, case_id, purpose, agreement, agreement_version,
        operation, subjects, field_groups, outcome, request_id, trace_id)
    SELECT asked_id, asked_agency, asked_system, asked_officer, asked_case_id, asked_purpose,
        asked_agreement, asked_agreement_version, asked_operation,
        coalesce(personal_id, asked_personal_id) || {others},
        string_to_array(asked_field_groups, ','),
        CASE WHEN shown THEN 'DISCLOSED' ELSE 'NOT_FOUND' END, asked_request_id, asked_trace_id
    FROM found
)
SELECT {_GIVEN} FROM found
"""  # noqa: S608 - put together from the constants above; every value is a parameter


_ALL, _OWN_ROW = _statement(more=True), _statement(more=False)


def statement(lookups: Sequence[Lookup]) -> str:
    """Return the statement that answers these lookups."""
    more = any(one.want_family or one.want_household or one.want_cards for one in lookups)
    return _ALL if more else _OWN_ROW


def arguments(lookups: Sequence[Lookup]) -> list[list[Any]]:
    """Return the parameters of the statement: one array per column, one element per lookup."""
    return [list(column) for column in zip(*lookups, strict=True)]
