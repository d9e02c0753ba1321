"""Operators ask for a search, a second one approves, a worker does it, and everybody sees how far it is."""

import asyncio
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from svc_population.dedupe import engines, working
from svc_population.dedupe.errors import DedupeRefused, RunCancelled
from svc_population.dedupe.model import load_model
from svc_population.dedupe.working import Asked, Found, Place, find_duplicates, work
from svc_population.dedupe.workspace import NotErased, Workspace

from .conftest import ASKED, ONE

pytestmark = pytest.mark.integration
RUNS = "/population/v1/dedupe-runs"
HOW = Asked("", "", memory="512MB", threads=1)
GONE = UUID(int=1)


class Desk:
    """Operators of the register's owner, by their log-ins."""

    def __init__(self, client: Any, as_operator: Any) -> None:
        self._client = client
        self._as = as_operator

    async def post(self, path: str = "", *, login: str = "an", agency: str = "G01", **body: str) -> Any:
        headers = self._as(agency, login)
        return await self._client.post(f"{RUNS}{path}", json=body or None, headers=headers)

    async def get(self, path: str = "", *, agency: str = "G01") -> Any:
        return await self._client.get(f"{RUNS}{path}", headers=self._as(agency, "chi"))

    async def approved(self) -> str:
        run_id = (await self.post(case_id="HS-7")).json()["id"]
        reply = await self.post(f"/{run_id}/approve", login="binh")
        assert reply.status_code == 200, reply.text
        return str(run_id)


@pytest.fixture
def desk(client, as_operator) -> Desk:
    return Desk(client, as_operator)


async def worked(place: Place) -> Found | None:
    return await work(place, model=load_model(), asked=HOW)


@pytest.mark.usefixtures("three_records_of_one")
class TestRequestedRun:
    async def test_two_operators_let_a_worker_do_it_and_see_what_came_out(self, desk, place, session):
        asked = await desk.post(case_id="HS-7")
        assert asked.status_code == 201, asked.text
        run = asked.json()
        assert (run["state"], run["requested_by"], run["approved_by"]) == ("REQUESTED", "an", None)
        # Nothing is read for one operator alone.
        assert await worked(place) is None
        assert (await desk.post(f"/{run['id']}/approve", login="binh")).json()["state"] == "APPROVED"
        assert (await worked(place)) is not None
        shown = (await desk.get(f"/{run['id']}")).json()
        assert (shown["state"], shown["approved_by"], shown["case_id"]) == ("FINISHED", "binh", "HS-7")
        assert (shown["persons"], shown["parts"], shown["compared"]) == (3, 1, 1)
        assert (shown["pairs"], shown["settled"], shown["opened"]) == (3, 3, 3)
        assert (shown["sure"], shown["review"]) == (1, 2)
        assert shown["rules"] == {"SAME_NAME": 1, "REVIEW": 2}
        assert shown["model_version"] == load_model().version
        assert shown["erased_at"] is not None
        assert (await desk.get()).json()["items"] == [shown]
        assert ONE not in str(shown)
        rows = await session.execute(
            text("SELECT action, actor FROM audit_entries WHERE entity_type = 'dedupe-run' ORDER BY id")
        )
        assert [tuple(r) for r in rows] == [
            ("dedupe_run_requested", "operator/G01:an"),
            ("dedupe_run_approved", "operator/G01:binh"),
            ("dedupe_run_started", "G01/dedupe"),
            ("dedupe_run_ended", "G01/dedupe"),
        ]
        assert await worked(place) is None

    @pytest.mark.parametrize("login", ["an", "AN"])
    async def test_who_asked_for_it_does_not_approve_it(self, desk, login):
        run_id = (await desk.post(case_id="HS-7")).json()["id"]
        reply = await desk.post(f"/{run_id}/approve", login=login)
        assert (reply.status_code, reply.json()["code"]) == (403, "second-operator-needed")
        assert (await desk.get(f"/{run_id}")).json()["state"] == "REQUESTED"

    async def test_operators_of_others_neither_ask_nor_look(self, desk):
        run_id = (await desk.post(case_id="HS-7")).json()["id"]
        for reply in (
            await desk.post(case_id="HS-8", agency="NDX"),
            await desk.post(f"/{run_id}/approve", login="binh", agency="NDX"),
            await desk.post(f"/{run_id}/cancel", login="binh", agency="NDX"),
            await desk.get(agency="NDX"),
            await desk.get(f"/{run_id}", agency="NDX"),
        ):
            assert (reply.status_code, reply.json()["code"]) == (403, "role-missing")

    async def test_one_at_a_time_also_beside_the_command(self, desk, place):
        await desk.post(case_id="HS-7")
        reply = await desk.post(case_id="HS-8")
        assert (reply.status_code, reply.json()["code"]) == (409, "dedupe-run-under-way")
        with pytest.raises(DedupeRefused, match="REQUESTED"):
            await find_duplicates(place, model=load_model(), asked=ASKED)

    async def test_a_run_that_nobody_asked_for_is_not_there(self, desk):
        nowhere = "/01900000-0000-7000-8000-000000000000"
        for reply in (await desk.get(nowhere), await desk.post(f"{nowhere}/approve")):
            assert (reply.status_code, reply.json()["code"]) == (404, "dedupe-run-not-found")

    async def test_what_has_ended_is_neither_approved_nor_cancelled(self, desk):
        run_id = (await desk.post(case_id="HS-7")).json()["id"]
        assert (await desk.post(f"/{run_id}/cancel")).json()["state"] == "CANCELLED"
        for step in ("approve", "cancel"):
            reply = await desk.post(f"/{run_id}/{step}", login="binh")
            assert (reply.status_code, reply.json()["code"]) == (409, "dedupe-step-refused")


@pytest.mark.usefixtures("three_records_of_one")
class TestCancel:
    async def test_a_long_comparison_ends_when_an_operator_cancels_and_opens_nothing(
        self, desk, place, folder, session, monkeypatch
    ):
        run_id = await desk.approved()
        begun, stopped = threading.Event(), threading.Event()

        def compare(*_: object) -> None:
            begun.set()
            assert stopped.wait(60)
            raise RunCancelled

        monkeypatch.setattr(working, "WATCH_SECONDS", 0.05)
        monkeypatch.setattr(engines.DuckDb, "compare", compare)
        monkeypatch.setattr(engines.DuckDb, "stop", lambda _: stopped.set())
        running = asyncio.create_task(worked(place))
        assert await asyncio.to_thread(begun.wait, 60)
        assert (await desk.get(f"/{run_id}")).json()["stage"] == "COMPARING"
        assert (await desk.post(f"/{run_id}/cancel")).json()["state"] == "CANCELLING"
        await running
        shown = (await desk.get(f"/{run_id}")).json()
        assert (shown["state"], shown["cancelled_by"], shown["opened"]) == ("CANCELLED", "an", 0)
        assert not folder.exists()
        assert await session.scalar(text("SELECT count(*) FROM reconciliation_cases")) == 0

    async def test_cases_opened_before_it_stay_and_no_other_is_opened(
        self, desk, place, session, monkeypatch
    ):
        run_id = await desk.approved()
        settle = working._settle

        async def once(session: Any, run: Any, *given: Any) -> None:
            await settle(session, run, *given)
            run.state = "CANCELLING"

        monkeypatch.setattr(working, "BATCH", 1)
        monkeypatch.setattr(working, "_settle", once)
        await worked(place)
        shown = (await desk.get(f"/{run_id}")).json()
        assert (shown["state"], shown["opened"], shown["settled"], shown["pairs"]) == ("CANCELLED", 1, 1, 3)
        assert await session.scalar(text("SELECT count(*) FROM reconciliation_cases")) == 1

    async def test_a_cancelled_run_whose_process_was_killed_ends_with_the_next_look(
        self, desk, place, folder, session
    ):
        run_id = await desk.approved()
        await session.execute(text("UPDATE dedupe_runs SET state = 'CANCELLING'"))
        await session.commit()
        Workspace(folder).begin(GONE)
        assert await worked(place) is None
        assert (await desk.get(f"/{run_id}")).json()["state"] == "CANCELLED"
        assert not folder.exists()


@pytest.mark.usefixtures("three_records_of_one")
class TestErase:
    async def test_files_that_stay_are_told_and_the_next_look_erases_them(
        self, desk, place, folder, monkeypatch, capsys, client
    ):
        async def left() -> float:
            page = (await client.get("/metrics")).text.splitlines()
            (line,) = [line for line in page if line.startswith("ndx_dedupe_files_left_seconds ")]
            return float(line.split()[1])

        run_id = await desk.approved()
        assert await left() == 0
        whole = Path.unlink

        def busy(path: Path, *, missing_ok: bool = False) -> None:
            if path.name == "people.parquet":
                raise OSError(16, "Device or resource busy")
            whole(path, missing_ok=missing_ok)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", busy)
            with pytest.raises(NotErased):
                await worked(place)
        assert "dedupe_files_not_erased" in capsys.readouterr().out
        shown = (await desk.get(f"/{run_id}")).json()
        assert (shown["state"], shown["opened"], shown["erased_at"]) == ("FINISHED", 3, None)
        assert await left() > 0
        assert await worked(place) is None
        assert await left() == 0
        assert (await desk.get(f"/{run_id}")).json()["erased_at"] is not None
        assert not folder.exists()
