"""A bank and a court verify a person: yes or no to each claim, and no value."""

from typing import Any

from ndx_demo.population.cast import Person
from ndx_demo.walk.steps import Walk

VERIFY = "POST /population/v1/persons/{personal_id}/verify"


def _answers(body: dict[str, Any]) -> str:
    return ", ".join(
        f"{result['field'] or result['kind']}: {'yes' if result['matched'] else 'no'}"
        for result in body["results"]
    )


def _ask(
    walk: Walk,
    door: str,
    who: Person,
    *,
    title: str,
    claims: list[dict[str, str]],
    purpose: str,
    matched: bool,
) -> None:
    case = {"NDX_Case_Id": "HS-2026-0001"} if purpose == "JUDICIAL_PROCEEDINGS" else {}
    walk.step(
        title,
        VERIFY,
        lambda: walk.door(door).post(
            f"/population/v1/persons/{who.personal_id}/verify", {"claims": claims}, purpose=purpose, **case
        ),
        expect=200,
        outcome=_answers,
        until=lambda b: b.get("all_matched") is matched,
    )


def verify(walk: Walk, customer: Person) -> None:
    """Let the bank ask with right and with wrong claims, and the court about a litigant."""
    name = {"kind": "FOLDED_EQUALS", "field": "birth_name", "value": customer.full_name.upper()}
    born = {"kind": "EQUALS", "field": "birth_date", "value": customer.birth_date.isoformat()}
    _ask(
        walk,
        "B01/core",
        customer,
        title="A bank verifies a customer",
        claims=[name, born],
        purpose="CREDIT_INSTITUTION_KYC",
        matched=True,
    )
    _ask(
        walk,
        "B01/core",
        customer,
        title="The bank verifies somebody who gives another name",
        claims=[name | {"value": "Trần Văn Khác"}, born],
        purpose="CREDIT_INSTITUTION_KYC",
        matched=False,
    )
    _ask(
        walk,
        "T01/case-management",
        customer,
        title="A court verifies a litigant",
        claims=[name, {"kind": "IS_ALIVE"}],
        purpose="JUDICIAL_PROCEEDINGS",
        matched=True,
    )


def ask_whether_alive(walk: Walk, who: Person) -> None:
    """Let the bank learn of a death, and nothing else."""
    _ask(
        walk,
        "B01/core",
        who,
        title="A bank asks whether its customer is alive",
        claims=[{"kind": "IS_ALIVE"}],
        purpose="CREDIT_INSTITUTION_KYC",
        matched=False,
    )
