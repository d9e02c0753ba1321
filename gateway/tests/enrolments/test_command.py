"""`ndx agencies enrol` against the real control plane: thirty clinics from a file with bad lines."""

import asyncio
import csv
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from ndx_client import client as client_module
from ndx_client import keys
from ndx_client.main import app as command
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from typer.testing import CliRunner

pytestmark = pytest.mark.integration
HEAD = "code,name,name_en,province,commune\n"
GOOD = [f"T79.{n:03},Trạm y tế {n},Health station {n},79,26734\n" for n in range(1, 28)]
BAD = [
    "t79.900,Trạm y tế viết thường,Lower case,79,26734\n",
    "T79.901,,No name,79,26734\n",
    "T79.902,Trạm y tế,Wrong province,7,26734\n",
    "T79.001,Trạm y tế 1,Twice,79,26734\n",
    "T79.903,Thiếu cột\n",
    'T79.904,"Trạm y tế, có dấu phẩy",Health station,79,26734\n',
]


class Bridge(httpx.BaseTransport):
    """Carries the command's requests to the application, with the headers that the gateway sets."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str]) -> None:
        self.loop = asyncio.get_running_loop()
        self.client, self.headers = client, headers
        self.asked: list[str] = []
        self.lose = 0
        """How many answers to requests for certificates get lost on the way."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        self.asked.append(path)
        public = path == "/v1/certificates"
        sent = {"Content-Type": "application/json"} | ({} if public else self.headers)
        call = self.client.request(request.method, path, content=request.read(), headers=sent)
        found = asyncio.run_coroutine_threadsafe(call, self.loop).result(60)
        if public and self.lose:
            self.lose -= 1
            raise httpx.ReadError("the line broke")
        return httpx.Response(found.status_code, headers=found.headers, content=found.content)


@pytest_asyncio.fixture
async def exchange(
    bus: Any,
    client: httpx.AsyncClient,
    as_operator: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> Bridge:
    bridge = Bridge(client, as_operator("NDX", "an"))
    original = httpx.Client
    monkeypatch.setattr(httpx, "Client", lambda **how: original(**(how | {"transport": bridge})))
    monkeypatch.setattr(client_module, "_context", lambda *_: True)
    monkeypatch.setattr("ndx_client.mass_enrolment.TRIES", 1)
    for name in ("NDX_CERT", "NDX_KEY"):
        monkeypatch.setenv(name, name)
    return bridge


async def enrol(file: Path, *more: str) -> Any:
    out = str(file.parent / "out")
    arguments = ["agencies", "enrol", str(file), "--class", "HEALTH", "--out", out, *more]
    return await asyncio.to_thread(CliRunner().invoke, command, arguments)


def report(file: Path) -> dict[str, tuple[str, str]]:
    with (file.parent / "out" / "report.csv").open(encoding="utf-8") as opened:
        rows = list(csv.DictReader(opened))
    assert [int(r["line"]) for r in rows] == sorted(int(r["line"]) for r in rows)
    return {r["line"]: (r["outcome"], r["detail"]) for r in rows}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "clinics.csv"
    made.write_text("\ufeff" + HEAD + "".join([*GOOD[:10], *BAD, *GOOD[10:]]), encoding="utf-8")
    return made


class TestCommand:
    async def test_every_good_line_gets_its_own_certificate_and_every_bad_one_its_reason(
        self, exchange: Bridge, file: Path, session: AsyncSession
    ) -> None:
        result = await enrol(file)
        assert result.exit_code == 1, result.output
        assert "28 ENROLLED, 5 WRONG" in result.output
        told = report(file)
        wrong = {line: detail for line, (outcome, detail) in told.items() if outcome == "WRONG"}
        assert {line: detail.partition(":")[0] for line, detail in wrong.items()} == {
            "12": "code",
            "13": "name",
            "14": "province_code",
            "15": "the same system is in line 2",
            "16": "the line has another number of columns than the first",
        }
        out = file.parent / "out"
        serials = set()
        for number in (*range(1, 28), 904):
            place = out / f"T79.{number:03}"
            who, _, serial = keys.describe(place / "his.crt")
            assert who == f"urn:ndx:agency:T79.{number:03}:his"
            assert stat.S_IMODE((place / "his.key").stat().st_mode) == 0o600
            serials.add(serial)
        assert len(serials) == 28
        assert (out / "ca.crt").read_text().startswith("-----BEGIN CERTIFICATE-----")
        states = await session.execute(
            text("SELECT agency_class, state, count(*) FROM agencies WHERE code LIKE 'T79.%' GROUP BY 1, 2")
        )
        assert [tuple(row) for row in states] == [("HEALTH", "ACTIVE", 28)]
        assert exchange.asked.count("/v1/enrolments") == 1

    async def test_a_second_run_asks_nothing_and_changes_nothing(self, exchange: Bridge, file: Path) -> None:
        await enrol(file)
        certificate = (file.parent / "out" / "T79.001" / "his.crt").read_bytes()
        exchange.asked.clear()
        again = await enrol(file)
        assert "28 ENROLLED, 5 WRONG" in again.output
        assert exchange.asked == []
        assert (file.parent / "out" / "T79.001" / "his.crt").read_bytes() == certificate

    async def test_lost_answers_are_told_and_the_next_run_goes_on_there(
        self, exchange: Bridge, file: Path
    ) -> None:
        exchange.lose = 3
        first = await enrol(file)
        assert "25 ENROLLED, 3 FAILED, 5 WRONG" in first.output
        exchange.asked.clear()
        assert "28 ENROLLED, 5 WRONG" in (await enrol(file)).output
        assert exchange.asked.count("/v1/certificates") == 3

    async def test_codes_to_hand_out_are_written_once_for_the_owner_s_eyes(
        self, exchange: Bridge, file: Path
    ) -> None:
        assert "28 CODE, 5 WRONG" in (await enrol(file, "--codes-only")).output
        codes = file.parent / "out" / "codes.csv"
        assert stat.S_IMODE(codes.stat().st_mode) == 0o600
        before = codes.read_text()
        assert len(before.splitlines()) == 29
        exchange.asked.clear()
        assert "28 CODE, 5 WRONG" in (await enrol(file, "--codes-only")).output
        assert (codes.read_text(), exchange.asked) == (before, [])

    async def test_a_file_with_an_unknown_column_sends_nothing(
        self, exchange: Bridge, tmp_path: Path
    ) -> None:
        file = tmp_path / "x.csv"
        file.write_text("code,name,name_en,telephone\nT79.001,Trạm,Station,1\n", encoding="utf-8")
        result = await enrol(file)
        assert (result.exit_code, exchange.asked) == (2, [])
        assert "telephone" in result.output
