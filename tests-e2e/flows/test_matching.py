"""The police find a person by name, and insurance has a file matched, both through the real gateway."""

import base64
import csv
import gzip
import hashlib
import io
from typing import Any

import pytest

JOBS = "/population/v1/match-jobs"
INSURANCE = "SOCIAL_INSURANCE"


@pytest.fixture
def people(system) -> list[dict[str, Any]]:
    """People about whom nobody guessed: the stack, and what was guessed, may be that of an earlier run."""
    found: list[dict[str, Any]] = system.rows(
        "population",
        "SELECT personal_id, birth_date, concat_ws(' ', surname, middle_name, given_name) AS name"
        " FROM persons p WHERE life_status = 'ALIVE'"
        " AND NOT EXISTS (SELECT FROM verification_guards g WHERE g.personal_id = p.personal_id)"
        " ORDER BY personal_id DESC LIMIT 3",
    )
    return found


class TestMatching:
    def test_the_police_search_by_name_and_birth_date(self, system, people) -> None:
        someone = people[0]
        body = {
            "name": someone["name"].upper(),
            "birth_date": str(someone["birth_date"]),
            "fields": ["personal_id", "birth_name"],
        }
        with system.door("G01/police-office") as police:
            path = "/population/v1/persons/search"
            refused = police.post(path, body, purpose="RESIDENCE_MANAGEMENT")
            assert refused.json()["code"] == "officer-missing"
            reply = police.post(path, body, purpose="RESIDENCE_MANAGEMENT", NDX_Officer="CB-1")
        assert reply.status_code == 200, reply.text
        numbers = [item["person"]["personal_id"] for item in reply.json()["items"]]
        assert someone["personal_id"] in numbers

    def test_insurance_matches_one_record(self, system, people) -> None:
        record = {"name": people[0]["name"], "birth_date": str(people[0]["birth_date"])}
        with system.door("G03/insurance-link") as insurance:
            numbered = {**record, "personal_id": people[0]["personal_id"]}
            sure = insurance.post("/population/v1/match", numbered, purpose=INSURANCE)
            unsure = insurance.post("/population/v1/match", record, purpose=INSURANCE)
        assert (sure.json()["zone"], sure.json()["personal_id"]) == ("SURE", people[0]["personal_id"])
        assert unsure.json()["personal_id"] is None

    def test_insurance_has_a_file_matched(self, system, people) -> None:
        written = io.StringIO()
        rows = csv.writer(written, lineterminator="\n")
        rows.writerow(["ref", "personal_id", "name", "birth_date"])
        rows.writerows([n, p["personal_id"], p["name"], p["birth_date"]] for n, p in enumerate(people))
        rows.writerow(["wrong", people[0]["personal_id"], "Không Phải", people[0]["birth_date"]])
        content = gzip.compress(written.getvalue().encode())
        announced: dict[str, Any] = {
            "format": "CSV",
            "compression": "GZIP",
            "columns": ["ref", "personal_id", "name", "birth_date"],
            "bytes": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        with system.door("G03/insurance-link") as insurance:
            created = insurance.post(JOBS, announced, purpose=INSURANCE, key=announced["sha256"][:32])
            assert created.status_code == 201, created.text
            job = f"{JOBS}/{created.json()['id']}"
            half = len(content) // 2
            for number, piece in ((2, content[half:]), (1, content[:half])):
                digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
                headers = {"Content-Digest": f"sha-256=:{digest}:", "NDX-Purpose": INSURANCE}
                put = insurance.request("PUT", f"{job}/parts/{number}", content=piece, headers=headers)
                assert put.status_code == 200, put.text
            assert insurance.post(f"{job}/start", None, purpose=INSURANCE).status_code == 200
            system.wait_for(lambda: insurance.get(job, purpose=INSURANCE).json()["state"] == "FINISHED")
            result = insurance.get(f"{job}/result/1", purpose=INSURANCE).text
        lines = list(csv.DictReader(result.splitlines()))
        said = [(line["outcome"], line["reasons"]) for line in lines]
        assert [outcome for outcome, _ in said] == ["MATCHED"] * 3 + ["MISMATCH"], said
        assert [line["personal_id"] for line in lines[:3]] == [p["personal_id"] for p in people]
