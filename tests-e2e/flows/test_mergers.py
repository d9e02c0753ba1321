"""Two records are merged and parted by officers, and identity, tax and insurance follow both over Kafka."""

import json
from typing import Any
from uuid import uuid4

from ndx_client.citizen import citizen_http, log_in

URL = "/population/v1/person-mergers"
DOCUMENT = {"kind": "decision", "number": "9/QĐ-E2E", "issued_by": "C06", "issued_on": "2026-11-02"}
FOLLOWERS = ("identity", "tax", "insurance")


def decided(system: Any, plan: dict[str, Any]) -> str:
    """Let one officer propose and another one approve; return the merger's id."""
    case = f"HS-{uuid4().hex[:8]}"
    about: dict[str, Any] = {"purpose": "RESIDENCE_MANAGEMENT", "NDX_Case_Id": case}
    with system.door("G01/police-office") as police:
        proposed = police.post(URL, {**plan, "document": DOCUMENT}, NDX_Officer="CA-E2E-1", **about)
        assert proposed.status_code == 200, proposed.text
        number: str = proposed.json()["id"]
        url = f"{URL}/{number}/decision"
        done = police.post(url, {"verdict": "APPROVE"}, NDX_Officer="CA-E2E-2", **about)
    assert (done.status_code, done.json()["state"]) == (200, "DONE"), done.text
    return number


def leads_to(system: Any, number: str) -> dict[str, str]:
    """Return for each service that follows the number to which one leads there."""
    statement = "SELECT superseded_by FROM former_numbers WHERE personal_id = $1"
    found = {service: system.rows(service, statement, number) for service in FOLLOWERS}
    return {service: rows[0]["superseded_by"] if rows else number for service, rows in found.items()}


class TestMergedTwins:
    def test_all_follow_the_merger_and_its_end(self, system, walked) -> None:
        del walked
        context = system.context()
        holder = json.loads((context.home / "demo-holder.json").read_text())
        mother = holder["personal_id"]
        (record,) = system.rows(
            "population",
            "SELECT concat_ws(' ', surname, middle_name, given_name) AS name,"
            " (SELECT max(c.birth_date) FROM relationships r JOIN persons c USING (personal_id)"
            "  WHERE r.related_personal_id = $1 AND r.relation = 'MOTHER') AS born"
            " FROM persons WHERE personal_id = $1",
            mother,
        )
        numbers = []
        with system.door("X26740/one-stop") as commune:
            for _ in range(2):
                body = system.declaration()
                body["mother"] |= {"personal_id": mother, "name": record["name"]}
                body["child"]["birth_date"] = record["born"].isoformat()
                declared = system.declare(commune, body)
                assert declared.status_code == 201, declared.text
                numbers.append(declared.json()["personal_id"])
        survivor, duplicate = numbers

        def children() -> set[str]:
            with citizen_http(context.citizen_url, context.ca) as http:
                reply = http.get("/identity/v1/me/dependants", headers=bearer)
            assert reply.status_code == 200, reply.text
            return {one["personal_id"] for one in reply.json()["items"]} & set(numbers)

        def as_child_under_6() -> list[str | None]:
            rows = system.rows(
                "insurance",
                "SELECT e.end_cause FROM entitlements e JOIN participants p ON p.id = e.participant_id"
                " WHERE p.personal_id = ANY($1) ORDER BY e.end_cause NULLS FIRST",
                numbers,
            )
            return [row["end_cause"] for row in rows]

        with citizen_http(context.citizen_url, context.ca) as http:
            tokens = log_in(
                http, handle=mother, passcode=holder["passcode"], totp_secret=holder["totp_secret"]
            )
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        # Each of the three has to know both of them first, so that there is something to follow.
        system.wait_for(lambda: children() == {survivor, duplicate})
        system.wait_for(lambda: as_child_under_6() == [None, None])
        known = "personal_id = ANY($1)"
        system.wait_for(lambda: system.count("tax", "dependants", known, numbers) == len(numbers))

        merger = decided(system, {"kind": "MERGE", "survivor": survivor, "duplicate": duplicate})
        system.wait_for(lambda: leads_to(system, duplicate) == dict.fromkeys(FOLLOWERS, survivor))
        assert children() == {survivor}
        assert as_child_under_6() == [None, "PERSONS_MERGED"]

        decided(system, {"kind": "UNDO", "merger_id": merger})
        system.wait_for(lambda: leads_to(system, duplicate) == dict.fromkeys(FOLLOWERS, duplicate))
        assert children() == {survivor, duplicate}
        assert as_child_under_6() == [None, None]
