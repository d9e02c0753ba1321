"""The police register where a newborn lives and with whom, and a difference of registers is settled there."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

PEOPLE = "/population/v1/persons"
HOUSEHOLDS = "/population/v1/households"
CASES = "/population/v1/reconciliation-cases"
PLACE = {"province_code": "79", "commune_code": "26740"}


def today() -> str:
    return (datetime.now(UTC) + timedelta(hours=7)).date().isoformat()


class TestResidenceOfANewborn:
    def test_the_police_register_it_and_a_death_closes_all(self, system, walked) -> None:
        del walked
        body = system.declaration()
        with (
            system.door("X26740/one-stop") as commune,
            system.door("G01/police-office") as police,
            system.door("G03/insurance-link") as insurance,
        ):
            number = system.declare(commune, body).json()["personal_id"]
            move = {
                **PLACE,
                "kind": "PERMANENT",
                "address": "Số 1 Đường Thử Nghiệm",
                "valid_from": body["child"]["birth_date"],
                "basis": {"document": "HS-E2E"},
            }
            url = f"{PEOPLE}/{number}/residences"
            reply = police.post(url, move, purpose="RESIDENCE_MANAGEMENT", key=uuid4().hex)
            assert reply.status_code == 201, reply.text
            assert reply.json()["residence_file_number"].startswith("26740/")
            refused = commune.post(url, move, purpose="RESIDENCE_MANAGEMENT")
            assert (refused.status_code, refused.json()["code"]) == (403, "no-agreement")

            home = {
                **PLACE,
                "members": [{"personal_id": number, "relation_to_head": "HEAD"}],
                "on": today(),
                "document": "HGD-E2E",
            }
            reply = police.post(HOUSEHOLDS, home, purpose="RESIDENCE_MANAGEMENT", key=uuid4().hex)
            assert reply.status_code == 201, reply.text
            household = reply.json()["number"]

            case = {
                "reference": f"BHXH-{uuid4().hex[:8]}",
                "kind": "SEX_DIFF",
                "personal_id": number,
                "disputed": [{"field": "sex", "value": "MALE"}],
            }
            reply = insurance.post(CASES, {"items": [case]}, purpose="DATA_RECONCILIATION")
            assert reply.status_code == 200, reply.text
            (opened,) = reply.json()["items"]
            decided = commune.post(
                f"{CASES}/{opened['case_id']}/decide",
                {"state": "CONFIRMED_DIFFERENT", "note": "đã kiểm tra giấy khai sinh"},
                purpose="DATA_RECONCILIATION",
                NDX_Officer="CB-1",
            )
            assert decided.status_code == 200, decided.text
            assert decided.json()["disputed"][0]["ours"] == "FEMALE"

            reply = commune.post(
                "/civil-registry/v1/deaths",
                system.death_of(number, body, today()),
                purpose="CIVIL_REGISTRATION",
                key=uuid4().hex,
            )
            assert reply.status_code == 201, reply.text

            def closed() -> bool:
                listed = police.get(url, purpose="RESIDENCE_MANAGEMENT").json()["items"]
                home = police.get(f"{HOUSEHOLDS}/{household}", purpose="RESIDENCE_MANAGEMENT").json()
                return [r["end_cause"] for r in listed] == ["DEATH"] and home["state"] == "DISSOLVED"

            system.wait_for(closed)
