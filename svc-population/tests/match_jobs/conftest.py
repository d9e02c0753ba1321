"""An agency with a file: announced, uploaded in parts, worked on, and its result fetched."""

import base64
import hashlib
from typing import Any

import pytest
from ndx_contracts.agreements import AdminScope, Quotas
from svc_population.match_jobs.service import OPENING
from svc_population.match_jobs.working import work
from svc_population.matching.schemas import MATCHED_BY
from svc_population.reconciliation.service import GROUPS

PATH = "/population/v1/match-jobs"
OPERATIONS = (
    "create_match_job",
    "put_match_job_part",
    "start_match_job",
    "get_match_job",
    "cancel_match_job",
    "get_match_job_result",
)
COLUMNS = ["ref", "personal_id", "name", "birth_date"]


HOA = "079190000011"
HEADER = "ref,personal_id,name,birth_date\n"


def csv_of(*lines: str) -> bytes:
    return (HEADER + "".join(f"{line}\n" for line in lines)).encode()


class Killed(BaseException):
    """The process ends here."""


def digest_of(content: bytes) -> dict[str, str]:
    value = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return {"Content-Digest": f"sha-256=:{value}:"}


@pytest.fixture
def insurance(agree, as_agency):
    """Make headers of an agency whose agreement covers match jobs."""

    def make(agency="G03", groups=MATCHED_BY, rows=None, scope=None, opening=None, **terms: Any):
        granted = {f"population.{name}": list(groups) for name in OPERATIONS}
        if opening is not None:
            granted |= {OPENING: list(opening), "population.list_own_reconciliation_cases": list(GROUPS)}
        agree(
            agency,
            granted,
            purposes=["SOCIAL_INSURANCE"],
            quotas=Quotas(batch_rows_per_day=rows),
            admin_scope=AdminScope(**(scope or {})),
            **terms,
        )
        return as_agency(agency, system="insurance-link", purpose="SOCIAL_INSURANCE")

    return make


class Agency:
    """What an agency does with a file."""

    def __init__(self, client, headers):
        self.client = client
        self.headers = headers

    def announcement(self, content: bytes, **more: Any) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        return {"format": "CSV", "columns": COLUMNS, "bytes": len(content), "sha256": digest, **more}

    async def create(self, content: bytes, *, key: str | None = None, **more: Any):
        extra = {"Idempotency-Key": key} if key else {}
        return await self.client.post(
            PATH, json=self.announcement(content, **more), headers={**self.headers, **extra}
        )

    async def put(self, job: str, number: int, content: bytes, **headers: str):
        return await self.client.put(
            f"{PATH}/{job}/parts/{number}",
            content=content,
            headers={**self.headers, **digest_of(content), **headers},
        )

    async def start(self, job: str):
        return await self.client.post(f"{PATH}/{job}/start", headers=self.headers)

    async def upload(self, content: bytes, *, part: int = 1_000_000, **more: Any) -> str:
        reply = await self.create(content, **more)
        assert reply.status_code == 201, reply.text
        job: str = reply.json()["id"]
        for number, at in enumerate(range(0, len(content), part), 1):
            reply = await self.put(job, number, content[at : at + part])
            assert reply.status_code == 200, reply.text
        reply = await self.start(job)
        assert (reply.status_code, reply.json()["state"]) == (200, "QUEUED"), reply.text
        return job

    async def show(self, job: str) -> dict[str, Any]:
        reply = await self.client.get(f"{PATH}/{job}", headers=self.headers)
        assert reply.status_code == 200, reply.text
        shown: dict[str, Any] = reply.json()
        return shown

    async def result(self, job: str) -> list[str]:
        parts = (await self.show(job))["result_parts"]
        text = ""
        for number in range(1, parts + 1):
            reply = await self.client.get(f"{PATH}/{job}/result/{number}", headers=self.headers)
            assert reply.status_code == 200, reply.text
            text += reply.text
        return text.splitlines()


@pytest.fixture
def agency(client, insurance):
    return Agency(client, insurance())


@pytest.fixture
def matched(agency, runtime):
    """Send a file through and return the lines of the result."""

    async def match(content: bytes, **more: Any) -> list[str]:
        job = await agency.upload(content, **more)
        await work(runtime)
        shown = await agency.show(job)
        assert shown["state"] == "FINISHED", shown
        return await agency.result(job)

    return match
