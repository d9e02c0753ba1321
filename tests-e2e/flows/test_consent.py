"""A bank may ask only with the customer's consent, which the customer gives and withdraws at any time."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from ndx_client.citizen import citizen_http, log_in
from ndx_demo.enrolment import agree

PURPOSE = "PUBLIC_SERVICE_DELIVERY"
CONSENTS = "/identity/v1/me/consents"


@pytest.fixture
def agreed(system) -> str:
    terms: dict[str, Any] = {
        "consumer_agency": "B01",
        "consumer_systems": ["core"],
        "provider_agency": "G01",
        "approver": "G01-chi",
        "operations": [{"operation": "population.verify_person", "field_groups": ["death_or_missing_date"]}],
        "purposes": [PURPOSE],
        "conditions": {"consent_required": True},
        "legal_basis": {"text": "With the customer's consent", "reference": "91/2025/QH15 art. 4"},
    }
    with system.door("NDX-an") as operator, system.door("G01-chi") as approver:
        known = operator.get("/v1/agreements?consumer=B01&limit=100").json()["items"]
        return agree({"NDX-an": operator, "G01-chi": approver}, terms, known)


class TestConsent:
    def test_it_opens_and_shuts_the_door_for_one_agency(self, system, walked, agreed: str) -> None:
        context = system.context()
        holder = json.loads((context.home / "demo-holder.json").read_text())
        url = f"/population/v1/persons/{holder['personal_id']}/verify"

        def ask() -> httpx.Response:
            with system.door("B01/core") as bank:
                return bank.post(url, {"claims": [{"kind": "IS_ALIVE"}]}, purpose=PURPOSE)

        def says(code: str) -> bool:
            return ask().json().get("code", "answered") == code

        system.wait_for(lambda: says("consent-missing"))
        assert holder["personal_id"] not in ask().text
        with citizen_http(context.citizen_url, context.ca) as http:
            tokens = log_in(
                http,
                handle=holder["personal_id"],
                passcode=holder["passcode"],
                totp_secret=holder["totp_secret"],
            )
            bearer = {"Authorization": f"Bearer {tokens.access_token}"}
            wanted = {
                "agency": "B01",
                "purpose": PURPOSE,
                "field_groups": ["death_or_missing_date"],
                "valid_until": (datetime.now(UTC) + timedelta(days=1)).isoformat(),
            }
            given = http.post(CONSENTS, json=wanted, headers=bearer)
            assert given.status_code == 201, given.text
            system.wait_for(lambda: says("answered"))
            gone = http.post(f"{CONSENTS}/{given.json()['id']}/withdraw", headers=bearer)
            assert gone.json()["in_force"] is False
            system.wait_for(lambda: says("consent-missing"))
