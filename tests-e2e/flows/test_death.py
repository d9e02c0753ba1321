"""A death closes what hangs on the person, and taken back it opens it again: insurance at the next clinic."""

from typing import Any
from uuid import uuid4

COVERED, DECEASED = "000", "120"
"""Result codes of a check: covered; the entitlement ended with the participant's death."""


def answer(system: Any, body: dict[str, Any], number: str) -> str:
    child = body["child"]
    name = f"{child['surname']} {child['middle_name']} {child['given_name']}"
    question = {
        "personal_id": number,
        "name": name,
        "birth_date": child["birth_date"],
        "clerk_name": "Phạm Thị Quầy",
        "clerk_id": "NV-001",
    }
    with system.door("H79.001/his") as clinic:
        reply = clinic.post("/insurance/v1/entitlement-checks", question, purpose="HEALTH_ENTITLEMENT")
    return str(reply.json().get("result_code"))


def cancel(system: Any, death: str) -> None:
    """Let one officer of the commune ask for it, and another one read and decide."""
    asked = {
        "cause": "PERSON_ALIVE",
        "reason": "Người được khai tử còn sống",
        "document": {
            "kind": "INSPECTION_CONCLUSION",
            "number": f"KL-{uuid4().hex[:8]}",
            "issued_by": "Cơ quan minh họa",
            "issued_on": "2026-01-05",
        },
    }
    url = f"/civil-registry/v1/deaths/{death}/cancellation"
    with system.door("X26740/one-stop") as commune:

        def send(path: str, body: dict[str, Any], officer: str) -> dict[str, Any]:
            reply = commune.post(
                path, body, purpose="CIVIL_REGISTRATION", NDX_Officer=officer, NDX_Case_Id="HS-1"
            )
            assert reply.status_code == 200, reply.text
            answer: dict[str, Any] = reply.json()
            return answer

        send(url, asked, "CB-01")
        record = commune.get(f"/civil-registry/v1/deaths/{death}", purpose="CIVIL_REGISTRATION")
        assert record.status_code == 200, record.text
        read = record.json()["cancellation"]["request_sequence"]
        decided = send(f"{url}/decision", {"request_sequence": read, "verdict": "APPROVE"}, "CB-02")
    assert decided["status"] == "CANCELLED"


class TestDeathOfANewborn:
    def test_the_entitlement_ends_by_itself_and_is_back_when_the_death_is_cancelled(
        self, system, walked
    ) -> None:
        del walked
        body = system.declaration()
        with system.door("X26740/one-stop") as commune:
            number = system.declare(commune, body).json()["personal_id"]
            system.wait_for(lambda: answer(system, body, number) == COVERED)
            declaration = {
                "office": "X26740",
                "deceased": {
                    "personal_id": number,
                    "name": f"Nguyễn Minh {body['child']['given_name']}",
                    "sex": body["child"]["sex"],
                    "birth_date": body["child"]["birth_date"],
                    "last_residence": "Phường Sài Gòn, Thành phố Hồ Chí Minh",
                },
                "died_on": body["child"]["birth_date"],
                "death_place": "Bệnh viện Đa khoa Minh Họa",
                "notice_number": f"GBT-{uuid4().hex[:8]}",
                "declarant": {"name": "Người khai minh họa", "relation": "RELATIVE"},
            }
            reply = commune.post(
                "/civil-registry/v1/deaths", declaration, purpose="CIVIL_REGISTRATION", key=uuid4().hex
            )
            assert reply.status_code == 201, reply.text
        system.wait_for(lambda: answer(system, body, number) == DECEASED)
        assert system.count("insurance", "entitlements", "end_cause = 'DEATH'") >= 1
        cancel(system, reply.json()["death_id"])
        system.wait_for(lambda: answer(system, body, number) == COVERED)
        (person,) = system.rows(
            "population", "SELECT life_status, version FROM persons WHERE personal_id = $1", number
        )
        assert person["life_status"] == "ALIVE"
