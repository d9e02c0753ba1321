"""A clinic whose software speaks OSIA reads through the real gateway, and the citizen sees that it did."""

import json
import re
from typing import Any

import pytest
from ndx_client.citizen import citizen_http, log_in
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
