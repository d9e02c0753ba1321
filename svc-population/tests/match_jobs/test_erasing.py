"""What was uploaded and answered is erased when it is time, and not before."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from ndx_contracts.agreements import AgreementState
from sqlalchemy import text
from svc_population.match_jobs import service
from svc_population.match_jobs.erasing import erase_due
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.working import work

from .conftest import HOA, PATH, Agency, csv_of


class TestEraseDue:
    async def test_results_and_forgotten_uploads_are_erased_on_time(
        self, agency, runtime, add_person, session
    ):
        await add_person(HOA)
        done = await agency.upload(csv_of(f"a,{HOA},Lê An,1990-05-17"))
        await work(runtime)
        left = (await agency.create(csv_of("x"))).json()["id"]
        await agency.put(left, 1, b"x")
        assert await erase_due(runtime) == 0
        await session.execute(
            text("UPDATE match_jobs SET expires_at = clock_timestamp() - CAST(:by AS interval)"),
            {"by": timedelta(seconds=1)},
        )
        await session.commit()
        assert await erase_due(runtime) == 2
        assert list(runtime.settings.match_job_folder.iterdir()) == []
        assert await service.mismatches(session, done) == []
        reply = await agency.client.get(f"{PATH}/{done}/result/1", headers=agency.headers)
        assert reply.status_code == 404
        shown = await agency.show(done)
        assert (shown["state"], shown["counts"]["mismatch"], shown["result_parts"]) == ("FINISHED", 1, 0)
        assert (await agency.show(left))["state"] == "EXPIRED"
        assert await erase_due(runtime) == 0

    async def test_a_job_that_stands_still_expires_and_one_that_goes_on_does_not(
        self, client, insurance, runtime, add_person, session, emitted
    ):
        await add_person(HOA)
        agency = Agency(client, insurance())
        job = await agency.upload(csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17"))
        started = await session.scalar(text("SELECT expires_at > now() + '6 days' FROM match_jobs"))
        assert started is True
        insurance(state=AgreementState.SUSPENDED)
        await work(runtime)
        await session.execute(text("UPDATE match_jobs SET expires_at = clock_timestamp() - interval '1 s'"))
        await session.commit()
        assert await erase_due(runtime) == 1
        assert list(runtime.settings.match_job_folder.iterdir()) == []
        insurance()
        await work(runtime)
        shown = await agency.show(job)
        assert (shown["state"], shown["result_parts"], shown["waiting_for"]) == ("EXPIRED", 0, None)
        (told,) = [e["data"] for e in await emitted()]
        assert (told["job_id"], told["agency"], told["state"]) == (job, "G03", "EXPIRED")

    async def test_a_job_that_is_started_at_the_last_moment_is_not_erased(
        self, agency, runtime, add_person, monkeypatch
    ):
        await add_person(HOA)
        job = await agency.upload(csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17"))

        async def seen_before(_session: object) -> list[UUID]:
            return [UUID(job)]

        monkeypatch.setattr("svc_population.match_jobs.repository.expired", seen_before)
        await erase_due(runtime)
        await work(runtime)
        assert (await agency.show(job))["state"] == "FINISHED"

    async def test_a_job_that_crashes_does_not_keep_others_waiting(
        self, agency, runtime, add_person, monkeypatch
    ):
        await add_person(HOA)
        broken = await agency.upload(csv_of("a,,,"))
        whole = await agency.upload(csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17"))
        blocks = JobFiles.blocks

        def unreadable(self: JobFiles, parts: int) -> Iterator[bytes]:
            if self.folder.name == broken:
                raise PermissionError
            return blocks(self, parts)

        monkeypatch.setattr(JobFiles, "blocks", unreadable)
        with pytest.raises(PermissionError):
            await work(runtime)
        assert (await agency.show(whole))["state"] == "FINISHED"

    async def test_a_result_has_as_many_parts_as_it_needs(self, agency, runtime, add_person, session):
        await add_person(HOA)
        job = await agency.upload(csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17"))
        await work(runtime)
        await session.execute(text("UPDATE match_jobs SET slices = 20001"))
        await session.commit()
        files = JobFiles(runtime.settings.match_job_folder, UUID(job))
        files.write(files.result(20_001), b"2,b,NOT_FOUND,,,\n")
        reply = await agency.client.get(f"{PATH}/{job}/result/20001", headers=agency.headers)
        assert reply.status_code == 200, reply.text
