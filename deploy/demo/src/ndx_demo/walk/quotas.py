"""A quota by day that runs out: the refusal says when it begins anew, and both sides see what was used."""

from typing import Any

import httpx

from ndx_demo.population.cast import Person
from ndx_demo.walk.steps import Walk
from ndx_demo.walk.verification import VERIFY

HOSPITAL = "H79.001/his"


def _verify(walk: Walk, patient: Person) -> httpx.Response:
    url = f"/population/v1/persons/{patient.personal_id}/verify"
    claim = {"kind": "EQUALS", "field": "birth_date", "value": patient.birth_date.isoformat()}
    return walk.door(HOSPITAL).post(url, {"claims": [claim]}, purpose="HEALTH_ENTITLEMENT")


def begin(walk: Walk, patient: Person) -> None:
    """Make the first call: with it Envoy asks how many it may let through, and goes on meanwhile."""
    _verify(walk, patient)


def run_out(walk: Walk, patient: Person) -> None:
    """Let the hospital verify a patient until its quota of the day is used up."""
    walk.step(
        "A hospital that may verify three patients a day asks once more",
        VERIFY,
        lambda: _verify(walk, patient),
        expect=429,
        outcome=lambda b: f"refused: {b['code']}",
        until=lambda b: b.get("code") == "daily-quota-exceeded",
    )


def see_use(walk: Walk) -> None:
    """Let the hospital look at what it has used; Envoy reports every five seconds."""
    walk.step(
        "The hospital sees its use against the quota",
        "GET /v1/usage/mine",
        lambda: walk.door(HOSPITAL).get("/v1/usage/mine"),
        expect=200,
        outcome=lambda b: "; ".join(map(_use, _limited(b))),
        until=lambda b: any(day["left"] == 0 for day in _limited(b)),
        look="as an operator: ndx usage --all",
    )


def _limited(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [item["day"] for item in body.get("items", ()) if item["day"]["limit"] is not None]


def _use(day: dict[str, Any]) -> str:
    return f"{day['used']} of {day['limit']} used, {day['refused']} refused"
