"""What others know an instant after the birth: the clinic's answer and the tax office's view."""

import json

from ndx_demo.walk.birth import Child
from ndx_demo.walk.family import Family
from ndx_demo.walk.steps import Walk

CHECKS = "/insurance/v1/entitlement-checks"
OSIA = "/population/osia/dataaccess/v1/persons"


def see(walk: Walk, family: Family, child: Child) -> None:
    """Ask until the events have had their effect."""
    clinic = walk.door("H79.001/his")
    question = {
        "personal_id": child.personal_id,
        "name": child.name,
        "birth_date": child.born.isoformat(),
        "clerk_name": "Phạm Thị Quầy",
        "clerk_id": "NV-001",
    }
    walk.step(
        "A clinic asks whether the child is insured",
        f"POST {CHECKS}",
        lambda: clinic.post(CHECKS, question, purpose="HEALTH_ENTITLEMENT", NDX_Officer="NV-001"),
        expect=200,
        outcome=lambda b: f"result {b['result_code']}, covered",
        until=lambda b: b.get("result_code") == "000",
    )
    walk.step(
        "The clinic's own software reads the child's name by the OSIA standard",
        f"GET {OSIA}/{{uin}}",
        lambda: clinic.get(
            f"{OSIA}/{child.personal_id}?attributeNames=fullName&attributeNames=dateOfBirth",
            purpose="HEALTH_ENTITLEMENT",
            NDX_Officer="NV-001",
        ),
        expect=200,
        outcome=lambda b: ", ".join(sorted(b)),
        until=lambda b: b.get("fullName") == child.name,
    )
    father = family.couple.father.personal_id
    walk.step(
        "The tax office sees the new dependant of the father",
        "GET /tax/v1/taxpayers/{personal_id}/dependants",
        lambda: walk.door("G04/tax-office").get(
            f"/tax/v1/taxpayers/{father}/dependants", purpose="TAX_ADMINISTRATION"
        ),
        expect=200,
        outcome=lambda b: f"{len(b['items'])} dependants",
        until=lambda b: child.personal_id in json.dumps(b),
    )
