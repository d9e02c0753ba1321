"""A real Envoy decides as the plain rules say; `make bench B=decisions` asks it a hundred thousand times."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio
from ndx_testing.decisions import Judge, judge

SEED = 20_261_124
OUTCOMES = {
    "allowed",
    "agency-suspended",
    "agency-unknown",
    "agreement-expired",
    "agreement-suspended",
    "case-missing",
    "certificate-revoked",
    "header-repeated",
    "invalid-request",
    "method-not-allowed",
    "no-agreement",
    "officer-missing",
    "operation-unknown",
    "operator-required",
    "purpose-missing",
    "purpose-not-covered",
    "purpose-unknown",
}


@pytest_asyncio.fixture(scope="module")
async def asked(tmp_path_factory: object) -> AsyncIterator[Judge]:
    folder: Path = tmp_path_factory.mktemp("judge")  # type: ignore[attr-defined]
    async with judge(folder) as found:
        yield found


class TestDecisions:
    async def test_envoy_and_the_rules_agree_on_generated_calls(self, asked: Judge) -> None:
        report = await asked.compare(SEED, worlds=8, calls_each=200)
        assert report.compared == 1600
        assert report.differing == []
        assert set(report.outcomes) == OUTCOMES, "some rule was not asked about"
