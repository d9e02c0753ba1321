"""Whatever refuses a call that led to a person tells something of them, and is recorded before it is told."""

from typing import Any
from uuid import UUID

import pytest
from ndx_contracts.field_groups import POPULATION_GROUPS, FieldGroup
from svc_population.residences.vocabulary import GROUP_OF

MOTHER, FATHER = "079190000011", "079088000022"
BASE, NOBODY = "/population/v1", UUID(int=7)
PERSON = f"{BASE}/persons/{MOTHER}"
HOUSEHOLD = f"{BASE}/households/TN000000001"
DOCUMENT = {"kind": "decision", "number": "12/QĐ", "issued_by": "UBND", "issued_on": "2026-11-02"}
BASIS = {"document": "CT-1"}
STEP = {"on": "2026-03-01", "document": "HGD-1"}
BOTH = sorted([MOTHER, FATHER])
G = FieldGroup
RESIDENCE_GROUPS = set(GROUP_OF.values())
HOUSEHOLD_GROUPS = {G.HOUSEHOLD, G.RELATION_TO_HEAD}


def change(**values: Any) -> dict[str, Any]:
    return {"kind": "CHANGE", "document": DOCUMENT, **values}


CASES = {
    "before the birth": (
        "change_person",
        ("PATCH", PERSON, change(changes={"religion": "x"}, effective_from="1980-01-01")),
        "invalid-input",
        ([MOTHER], {G.RELIGION}),
    ),
    "an old version": (
        "change_person",
        ("PATCH", PERSON, change(changes={"religion": "x"}, effective_from="2026-11-01")),
        "person-version-conflict",
        ([MOTHER], {G.RELIGION}),
    ),
    "another source": (
        "change_person",
        ("PATCH", PERSON, change(changes={"birth_date": "1990-05-18"}, effective_from="2026-11-01")),
        "source-of-truth-elsewhere",
        ([MOTHER], {G.BIRTH_DATE}),
    ),
    "the number stays lawful": (
        "cancel_personal_id",
        (
            "POST",
            f"{BASE}/personal-ids/{MOTHER}/cancel",
            {
                "cause": "SEX_REDETERMINED",
                "decision": {"number": "1/QĐ", "decided_by": "Bộ Công an", "decided_on": "2026-11-02"},
                "valid_from": "2026-11-02",
                "sex": "FEMALE",
            },
        ),
        "cancellation-not-lawful",
        ([MOTHER], {G.PERSONAL_ID}),
    ),
    "no such residence": (
        "change_residence",
        ("PATCH", f"{PERSON}/residences/{NOBODY}", {"address": "Số 2", "basis": BASIS}),
        "residence-not-found",
        ([MOTHER], RESIDENCE_GROUPS),
    ),
    "no such residence to end": (
        "end_residence",
        ("POST", f"{PERSON}/residences/{NOBODY}/end", {"cause": "DEREGISTERED", "basis": BASIS}),
        "residence-not-found",
        ([MOTHER], RESIDENCE_GROUPS),
    ),
    "no such relationship": (
        "end_relationship",
        (
            "POST",
            f"{PERSON}/relationships/{NOBODY}/end",
            {"cause": "DIVORCE", "ended_on": "2026-01-01", "document": "BA-1"},
        ),
        "relationship-not-found",
        ([MOTHER], {G.FAMILY_RELATIONS}),
    ),
    "the head stays": (
        "leave_household",
        ("POST", f"{HOUSEHOLD}/members/{MOTHER}/leave", STEP),
        "household-head-needed",
        (BOTH, HOUSEHOLD_GROUPS),
    ),
    "all would leave": (
        "split_household",
        (
            "POST",
            f"{HOUSEHOLD}/split",
            {
                **STEP,
                "province_code": "79",
                "commune_code": "26740",
                "members": [{"personal_id": MOTHER, "relation_to_head": "HEAD"}],
            },
        ),
        "household-head-needed",
        (BOTH, HOUSEHOLD_GROUPS),
    ),
    "one is forgotten": (
        "change_household_head",
        (
            "POST",
            f"{HOUSEHOLD}/head",
            {**STEP, "members": [{"personal_id": FATHER, "relation_to_head": "HEAD"}]},
        ),
        "household-relations-incomplete",
        (BOTH, HOUSEHOLD_GROUPS),
    ),
}


@pytest.mark.parametrize(("operation", "call", "code", "told"), CASES.values(), ids=CASES)
async def test_a_refusal_is_recorded_about_those_whom_it_tells_of(
    operation: str,
    call: tuple[str, str, dict[str, Any]],
    code: str,
    told: tuple[list[str], set[FieldGroup]],
    client,
    agree,
    as_agency,
    add_person,
    disclosed,
):
    await add_person(MOTHER, household_number="TN000000001", relation_to_head="HEAD")
    await add_person(FATHER, household_number="TN000000001", relation_to_head="SPOUSE")
    agree("G01", {f"population.{operation}": list(POPULATION_GROUPS)}, purposes=["RESIDENCE_MANAGEMENT"])
    version = '"9"' if code == "person-version-conflict" else '"1"'
    headers = as_agency("G01", purpose="RESIDENCE_MANAGEMENT", If_Match=version)
    method, url, body = call
    reply = await client.request(method, url, json=body, headers=headers)
    assert reply.json().get("code") == code, reply.text
    (record,) = await disclosed()
    subjects, groups = told
    assert (record["outcome"], record["subjects"]) == ("NOT_MATCHED", subjects)
    assert set(record["field_groups"]) == set(groups)
    assert record["operation"] == f"population.{operation}"


async def test_too_many_guesses_tell_that_there_is_somebody(client, insurer, add_person, disclosed):
    await add_person(MOTHER)
    wrong = {"claims": [{"kind": "EQUALS", "field": "birth_date", "value": "1991-01-01"}]}
    for _ in range(4):
        reply = await client.post(f"{PERSON}/verify", json=wrong, headers=insurer)
    assert reply.json()["code"] == "too-many-wrong-guesses"
    assert [r["outcome"] for r in await disclosed()] == ["NOT_MATCHED"] * 4
