"""Change feeds over the running system: from a commune's counter to a bank, the citizen and the ledger."""

from typing import Any
from uuid import uuid4

import pytest
from ndx_demo import walk
from ndx_demo.enrolment import approve

FEEDS = "/v1/feeds/subscriptions"
BIRTHS = "civil-registry.follow_every_birth_registered"


@pytest.fixture
def agreement(system: Any) -> str:
    """Let the bank hear of every birth: that it happened, and whose it is, but not of which parents."""
    terms = {
        "consumer_agency": "B01",
        "provider_agency": "G02",
        "operations": [{"operation": BIRTHS, "field_groups": ["civil_status_record", "personal_id"]}],
        "purposes": ["CREDIT_INSTITUTION_KYC"],
        "legal_basis": {"text": "Savings accounts for newborns", "reference": "TEST"},
        "valid_from": "2025-07-01",
    }
    with system.door("NDX-an") as operator, system.door("G02-dung") as approver:
        number = str(operator.post("/v1/agreements", terms).json()["agreement_id"])
        operator.post(f"/v1/agreements/{number}/submit", {})
        approve(approver, number)
    return number


def told(system: Any, number: str) -> list[dict[str, Any]]:
    """Return the deliveries that a person's list of disclosures holds."""
    return system.rows(
        "population",
        "SELECT f.agency, f.purpose, f.agreement, f.operation, f.field_groups FROM disclosure_subjects s"
        " JOIN foreign_disclosures f USING (id) WHERE s.subject = $1 AND f.service = 'gateway'",
        number,
    )


def test_a_birth_arrives_once_and_the_child_is_told_who_heard_of_it(system: Any, agreement: str) -> None:
    with system.door("B01/core") as bank, system.door("X26740/one-stop") as commune:
        wanted = {
            "agreement": agreement,
            "purpose": "CREDIT_INSTITUTION_KYC",
            "event_types": ["civil-registry.birth-registered.v1"],
            "people": "EVERYBODY",
        }
        key = uuid4().hex
        made = [bank.post(FEEDS, wanted, key=key) for _ in range(2)]
        assert [reply.status_code for reply in made] == [201, 201]
        # One key, one subscription.
        (feed,) = {reply.json()["id"] for reply in made}
        child = system.declare(commune, system.declaration()).json()["personal_id"]

        def arrived() -> Any:
            items = bank.get(f"{FEEDS}/{feed}/events?wait=5").json()["items"]
            return [one for one in items if one["data"].get("personal_id") == child]

        (event,) = system.wait_for(arrived)
        assert set(event["data"]) == {"personal_id", "registered_at"}
        (record, *_) = system.wait_for(lambda: told(system, child))
        assert (record["agency"], record["agreement"], record["operation"]) == ("B01", agreement, BIRTHS)
        assert record["purpose"] == "CREDIT_INSTITUTION_KYC"
        assert set(record["field_groups"]) == {"civil_status_record", "personal_id"}
        assert bank.post(f"{FEEDS}/{feed}/end", {}).status_code == 200


def test_each_hand_over_of_the_walk_is_in_the_ledger(system: Any, walked: walk.WalkResult) -> None:
    del walked

    def entered() -> bool:
        records = system.count("gateway", "disclosures")
        entries = system.count("gateway", "ledger_entries", "service = 'gateway'")
        return bool(records >= 2 and records == entries)

    assert system.wait_for(entered)
    operations = system.rows("gateway", "SELECT DISTINCT operation FROM disclosures")
    assert {"operation": "population.follow_person_deceased"} in operations
