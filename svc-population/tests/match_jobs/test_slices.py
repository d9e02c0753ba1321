"""A job goes slice by slice: it stops, waits, goes on, and answers no line twice."""

import asyncio
import gzip
from datetime import date

import pytest
from ndx_contracts.agreements import AgreementState
from sqlalchemy import text
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs.erasing import erase_due
from svc_population.match_jobs.errors import FileStorageFull
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.slices import Slice
from svc_population.match_jobs.working import work

from .conftest import PATH, Agency, Killed, csv_of


class TestSlices:
    @pytest.fixture
    def small(self, monkeypatch):
        monkeypatch.setattr(feeds, "SLICE", 3)

    @pytest.fixture
    async def people(self, add_person):
        return [await add_person(f"0791900{n:05d}") for n in range(10)]

    def file(self, people):
        return csv_of(*(f"r{n},{number},Lê An,1988-05-17" for n, number in enumerate(people)))

    @pytest.mark.parametrize("compression", ["NONE", "GZIP"])
    async def test_a_process_that_dies_goes_on_where_it_stood(
        self, agency, runtime, small, people, monkeypatch, disclosed, compression
    ):
        content = self.file(people)
        packed = gzip.compress(content) if compression == "GZIP" else content
        job = await agency.upload(packed, part=100, compression=compression)
        written = JobFiles.write

        def dies(self, place, content):
            written(self, place, content)
            if place.name == "result-000003":
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(JobFiles, "write", dies)
            with pytest.raises(Killed):
                await work(runtime)
        shown = await agency.show(job)
        assert (shown["state"], shown["counts"]["lines"], shown["result_parts"]) == ("RUNNING", 6, 2)
        assert len(await disclosed()) == 6
        await work(runtime)
        shown = await agency.show(job)
        assert (shown["state"], shown["counts"]["matched"]) == ("FINISHED", 10)
        result = await agency.result(job)
        assert [r.split(",")[0] for r in result[1:]] == [str(n) for n in range(1, 11)]
        assert sorted(r["subjects"][0] for r in await disclosed()) == sorted(people)

    async def test_a_small_file_does_not_wait_for_a_large_one(
        self, agency, runtime, small, people, monkeypatch
    ):
        large, little = await agency.upload(self.file(people)), await agency.upload(self.file(people[:1]))
        ended: list[str] = []
        erased = JobFiles.erase_upload

        def noted(self: JobFiles) -> None:
            ended.append(self.folder.name)
            erased(self)

        monkeypatch.setattr(JobFiles, "erase_upload", noted)
        await work(runtime)
        assert ended == [little, large]

    async def test_slices_side_by_side_count_guesses_as_one_after_the_other(
        self, agency, runtime, small, people
    ):
        wrong = [f"a,{people[0]},Lê An,1988-05-{day}" for day in (18, 19, 20, 21)]
        right = [f"b,{people[0]},Lê An,1988-05-17"] * 8
        for lines, told in (
            ([*wrong, *right], ["MISMATCH"] * 3 + ["INVALID"] * 9),
            ([f"c,{people[1]},Lê An,1988-05-17"] * 8, ["MATCHED"] * 8),
        ):
            job = await agency.upload(csv_of(*lines))
            await work(runtime)
            assert [r.split(",")[2] for r in (await agency.result(job))[1:]] == told

    async def test_two_processes_at_one_file_answer_each_line_once(
        self, agency, runtime, small, people, disclosed
    ):
        job = await agency.upload(self.file(people))
        await asyncio.gather(work(runtime), work(runtime))
        await work(runtime)
        assert (await agency.show(job))["counts"]["matched"] == 10
        assert [r.split(",")[0] for r in (await agency.result(job))[1:]] == [str(n) for n in range(1, 11)]
        assert sorted(r["subjects"][0] for r in await disclosed()) == sorted(people)

    async def test_a_slice_that_is_in_work_when_its_job_is_cancelled_leaves_nothing(
        self, agency, runtime, small, people, monkeypatch, disclosed
    ):
        job = await agency.upload(self.file(people))
        prepared = Slice.prepare

        async def cancelled_then(self: Slice) -> None:
            await prepared(self)
            await agency.client.post(f"{PATH}/{job}/cancel", headers=agency.headers)

        monkeypatch.setattr(Slice, "prepare", cancelled_then)
        assert await work(runtime) == 0
        await erase_due(runtime)
        assert list(runtime.settings.match_job_folder.iterdir()) == []
        assert await disclosed() == []

    async def test_a_cancelled_job_stops_between_slices(self, agency, runtime, small, people, monkeypatch):
        job = await agency.upload(self.file(people))
        written = JobFiles.write

        class Stop(Exception):
            pass

        def stops(self, place, content):
            written(self, place, content)
            if place.name == "result-000002":
                raise Stop

        with monkeypatch.context() as patched:
            patched.setattr(JobFiles, "write", stops)
            with pytest.raises(Stop):
                await work(runtime)
        reply = await agency.client.post(f"{PATH}/{job}/cancel", headers=agency.headers)
        assert reply.json()["counts"]["lines"] == 3
        assert await work(runtime) == 0
        assert (await agency.show(job))["result_parts"] == 0

    async def test_rows_of_the_day_are_kept_to_and_the_job_goes_on_the_next_day(
        self, client, insurance, runtime, small, people, session
    ):
        agency = Agency(client, insurance(rows=7))
        job = await agency.upload(self.file(people))
        await work(runtime)
        shown = await agency.show(job)
        assert (shown["state"], shown["counts"]["lines"]) == ("RUNNING", 7)
        assert shown["waiting_for"] == "batch-rows-exceeded"
        await work(runtime)
        assert (await agency.show(job))["counts"]["lines"] == 7
        await session.execute(text("UPDATE batch_rows SET day = day - 1"))
        await session.commit()
        await work(runtime)
        shown = await agency.show(job)
        assert (shown["state"], shown["counts"]["lines"], shown["waiting_for"]) == ("FINISHED", 10, None)
        assert len(await agency.result(job)) == 11

    async def test_a_suspended_agreement_stops_a_job_and_an_ended_one_fails_it(
        self, client, insurance, runtime, small, people
    ):
        agency = Agency(client, insurance())
        job, other = await agency.upload(self.file(people)), await agency.upload(self.file(people))
        insurance(state=AgreementState.SUSPENDED)
        await work(runtime)
        insurance()
        assert (await agency.show(job))["waiting_for"] == "agreement-suspended"
        await agency.client.post(f"{PATH}/{other}/cancel", headers=agency.headers)
        insurance(valid_from=date(2025, 1, 1), valid_to=date(2025, 2, 1))
        await work(runtime)
        insurance()
        shown = await agency.show(job)
        assert (shown["state"], shown["fault"]) == ("FAILED", "agreement-expired")

    async def test_a_full_disk_lets_a_job_wait(self, agency, runtime, small, people, monkeypatch):
        job = await agency.upload(self.file(people))

        def full(self, place, content):
            raise FileStorageFull

        with monkeypatch.context() as patched:
            patched.setattr(JobFiles, "write", full)
            await work(runtime)
        assert (await agency.show(job))["waiting_for"] == "file-storage-full"
        await work(runtime)
        assert (await agency.show(job))["state"] == "FINISHED"
