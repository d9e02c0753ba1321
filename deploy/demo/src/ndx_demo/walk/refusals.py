"""What the exchange refuses, and how fast an operator stops what an agreement allowed."""

from ndx_demo.walk.birth import COMMUNE, ONE_STOP, Child
from ndx_demo.walk.steps import Walk

READ = "GET /population/v1/persons/{personal_id}"


def show(walk: Walk, child: Child) -> None:
    """Read without an agreement, under a suspended one, and under the resumed one."""
    url = f"/population/v1/persons/{child.personal_id}?fields=birth_name"
    commune, operator = walk.door(ONE_STOP), walk.door("NDX-an")
    walk.step(
        "A bank asks for data that no agreement gives it",
        READ,
        lambda: walk.door("B01/core").get(url, purpose="CREDIT_INSTITUTION_KYC"),
        expect=403,
        outcome=lambda b: f"refused: {b['code']}",
    )
    number = walk.context.enrolment.agreements[COMMUNE][1]
    walk.step(
        "An operator suspends the commune's agreement with population",
        f"POST /v1/agreements/{number}/suspend",
        lambda: operator.post(f"/v1/agreements/{number}/suspend", {"reason": "shown in the demo"}),
        expect=200,
        outcome=lambda b: str(b["state"]),
    )
    walk.step(
        "The commune's next read is refused",
        READ,
        lambda: commune.get(url, purpose="CIVIL_REGISTRATION"),
        expect=403,
        outcome=lambda b: f"refused: {b['code']}",
        until=lambda b: b.get("code") == "agreement-suspended",
    )
    walk.step(
        "The agreement is resumed",
        f"POST /v1/agreements/{number}/resume",
        lambda: operator.post(f"/v1/agreements/{number}/resume", {"reason": "shown in the demo"}),
        expect=200,
        outcome=lambda b: str(b["state"]),
    )
    walk.step(
        "The commune reads the child's name again",
        READ,
        lambda: commune.get(url, purpose="CIVIL_REGISTRATION"),
        expect=200,
        outcome=lambda _: "birth_name",
        until=lambda b: "code" not in b,
    )
