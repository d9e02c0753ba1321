"""A clinic whose software speaks OSIA reads through the real gateway, and the citizen sees that it did."""

import json
import re
from typing import Any

import pytest
from ndx_client.citizen import citizen_http, log_in
from ndx_demo.enrolment import agree
from svc_population.osia.offer import offer

PERSONS = "/population/osia/dataaccess/v1/persons"
PURPOSE = "HEALTH_ENTITLEMENT"


@pytest.fixture
def citizen(system, walked) -> dict[str, Any]:
    """Give somebody with an e-ID account: whoever walked last."""
    del walked
    holder: dict[str, Any] = json.loads((system.context().home / "demo-holder.json").read_text())
    return holder


def told(system: Any, citizen: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a citizen's own list of disclosures, by the request that each came from."""
    context = system.context()
    with citizen_http(context.citizen_url, context.ca) as http:
        tokens = log_in(
            http,
            handle=citizen["personal_id"],
            passcode=citizen["passcode"],
            totp_secret=citizen["totp_secret"],
        )
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        reply = http.get("/population/v1/me/disclosures?subject=self&limit=200", headers=bearer)
    assert reply.status_code == 200, reply.text
    return {item["request_id"]: item for item in reply.json()["items"]}


def test_the_agreement_lets_a_read_in_and_the_citizen_is_told_of_it_alone(system, citizen) -> None:
    url = f"{PERSONS}/{citizen['personal_id']}"
    with system.door("H79.001/his") as clinic, system.door("B01/core") as stranger:
        read = clinic.get(f"{url}?attributeNames=fullName&attributeNames=gender", purpose=PURPOSE)
        group = clinic.get(f"{url}?attributeNames=maritalStatus", purpose=PURPOSE)
        operation = clinic.post(f"{url}/match", {"gender": "2"}, purpose=PURPOSE)
        purpose = clinic.get(f"{url}?attributeNames=gender", purpose="TAX_ADMINISTRATION")
        agency = stranger.get(f"{url}?attributeNames=gender", purpose="CREDIT_INSTITUTION_KYC")
    assert read.status_code == 200, read.text
    assert set(read.json()) == {"fullName", "gender"}
    refused = (group, operation, purpose, agency)
    assert [(reply.status_code, reply.json()["code"]) for reply in refused] == [
        (403, "field-group-not-covered"),
        (403, "no-agreement"),
        (403, "purpose-not-covered"),
        (403, "no-agreement"),
    ]
    assert "marital_status" in group.json()["detail"]
    records = told(system, citizen)
    shown = records[read.request.headers["NDX-Request-Id"]]
    assert (shown["agency"]["code"], shown["outcome"]) == ("H79.001", "DISCLOSED")
    assert shown["operation"] == "population.osia_read_person_attributes"
    assert {one["code"] for one in shown["field_groups"]} == {"birth_name", "sex"}
    assert not records.keys() & {reply.request.headers["NDX-Request-Id"] for reply in refused}


def test_what_has_no_lawful_meaning_is_answered_with_the_reason_by_every_path_of_the_registry(system) -> None:
    answers = {}
    with system.door("B01/core") as anybody:
        for one in (each for each in offer() if each.refusal is not None):
            path = re.sub(r"\{[^}]*\}", "079190000011", one.path)
            reply = anybody.request(one.method, f"/population/osia/{one.file}{path}?transactionId=T-1")
            answers[one.operation] = (reply.status_code, reply.json().get("code"))
    assert answers == {one.operation: (400, one.refusal) for one in offer() if one.refusal is not None}


class TestNotification:
    def test_a_bank_subscribes_under_its_agreement_and_nothing_goes_to_an_inner_address(self, system) -> None:
        base = "/v1/osia/notification/v1"
        topic, address = "population.person-deceased.v1", "https://localhost:9/hook"
        with system.door("B01/core") as bank, system.door("H79.001/his") as clinic:
            url = f"{base}/subscriptions?topic={topic}&address={address}"
            refused = clinic.post(url, None)
            assert (refused.status_code, refused.json()["code"]) == (403, "no-agreement")
            made = bank.post(url, None, purpose="CREDIT_INSTITUTION_KYC")
            assert made.status_code == 200, made.text
            uuid = made.json()["uuid"]
            assert made.json()["active"] is False
            assert made.json()["topic"] in {one["uuid"] for one in bank.get(f"{base}/topics").json()}
            assert uuid in {one["uuid"] for one in bank.get(f"{base}/subscriptions").json()}
            attempt, *_ = bank.get(f"/v1/feeds/subscriptions/{uuid}/attempts").json()["items"]
            assert (attempt["error"], attempt["delivered"]) == ("not-reachable", False)
            inner = bank.post(url.replace("localhost:9", "10.0.0.1"), None, purpose="CREDIT_INSTITUTION_KYC")
            assert (inner.status_code, inner.json()["code"]) == (400, 1033)
            wrong = bank.get(f"{base}/subscriptions/confirm?token={'A' * 64}")
            assert (wrong.status_code, wrong.json()["code"]) == (400, 1034)
            assert bank.request("DELETE", f"{base}/subscriptions/{uuid}").status_code == 204
            topics = bank.post(f"{base}/topics?name=mine", None)
            assert (topics.status_code, topics.json()["code"]) == (400, 1020)


class TestPartialUpdateIdentity:
    def test_a_source_mends_a_name_on_the_version_it_saw_and_the_gateway_keeps_the_conditions(
        self, system
    ) -> None:
        terms: dict[str, Any] = {
            "consumer_agency": "G02",
            "consumer_systems": ["civil-registry"],
            "provider_agency": "G01",
            "approver": "G01-chi",
            "operations": [
                {"operation": f"population.osia_{name}", "field_groups": ["birth_name", "ethnicity"]}
                for name in ("read_reference", "partial_update_identity")
            ],
            "purposes": ["CIVIL_REGISTRATION"],
            "conditions": {"case_required": True, "officer_required": True},
            "legal_basis": {"text": "The civil registry's software speaks OSIA", "reference": "TEST"},
        }
        with system.door("NDX-an") as operator, system.door("G01-chi") as approver:
            known = operator.get("/v1/agreements?consumer=G02&limit=100").json()["items"]
            agree({"NDX-an": operator, "G01-chi": approver}, terms, known)
        why = {"NDX-Purpose": "CIVIL_REGISTRATION", "NDX-Officer": "HT-1", "NDX-Case-Id": "HS-2026-1"}
        extract = {
            "kind": "CORRECTION",
            "documentType": "extract",
            "documentNumber": "12/TLKH",
            "documentIssuer": "UBND Phường Sài Gòn",
            "documentDate": "2026-11-02",
        }
        with (
            system.door("X26740/one-stop") as commune,
            system.door("G02/civil-registry") as registry,
            system.door("H79.001/his") as stranger,
        ):
            number = system.declare(commune, system.declaration()).json()["personal_id"]
            person = f"/population/osia/pr/v1/persons/{number}"

            def seen() -> Any:
                reply = registry.request("GET", f"{person}/reference?transactionId=T-1", headers=why)
                return reply.json() if reply.status_code == 200 else None

            def patch(who: Any, version: str, name: str, **headers: str) -> tuple[int, Any]:
                url = f"{person}/identities/{version}?transactionId=T-2"
                body = {"biographicData": {"firstName": name}, "contextualData": extract}
                reply = who.request("PATCH", url, json=body, headers=headers)
                return reply.status_code, reply.json()["code"] if reply.content else None

            version = system.wait_for(seen)["identityId"]
            without_case = {n: v for n, v in why.items() if n != "NDX-Case-Id"}
            assert patch(stranger, version, "Thị Sửa", **why) == (403, "no-agreement")
            assert patch(registry, version, "Thị Sửa", **without_case) == (400, "case-missing")
            assert patch(registry, version, "Thị Sửa", **why) == (204, None)
            # What is so already is no second change, and another one needs the version that there is now.
            assert patch(registry, version, "Thị Sửa", **why) == (204, None)
            assert patch(registry, version, "Thị Khác", **why) == (400, 1008)
            after = seen()
        assert int(after["identityId"]) == int(version) + 1
        assert after["biographicData"]["firstName"] == "Thị Sửa"
        assert after["contextualData"]["sourceAgency"] == "G02"
        changed = system.rows(
            "population",
            "SELECT agency, purpose, case_id, officer, outcome FROM disclosures"
            " WHERE operation = 'population.osia_partial_update_identity' AND $1 = ANY (subjects)"
            " ORDER BY occurred_at",
            number,
        )
        assert [one.pop("outcome") for one in changed] == ["NOT_MATCHED", "MATCHED", "NOT_MATCHED"]
        assert (
            changed
            == [{"agency": "G02", "purpose": "CIVIL_REGISTRATION", "case_id": "HS-2026-1", "officer": "HT-1"}]
            * 3
        )
