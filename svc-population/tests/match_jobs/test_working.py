"""Each line gets its answer and its record; a job stops, waits, goes on and is erased as it should."""

import asyncio
import gzip
import hashlib
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from ndx_contracts.agreements import AgreementState
from sqlalchemy import text
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs import repository, service, verdicts
from svc_population.match_jobs.erasing import erase_due
from svc_population.match_jobs.errors import FileStorageFull
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.slices import Slice
from svc_population.match_jobs.working import work

from .conftest import PATH, Agency, Killed

HOA = "079190000011"
HEADER = "ref,personal_id,name,birth_date\n"
RESULT = "line,ref,outcome,personal_id,fields,reasons"


def csv_of(*lines: str) -> bytes:
    return (HEADER + "".join(f"{line}\n" for line in lines)).encode()


class TestMatchFile:
    async def test_each_line_gets_its_answer_and_its_record(self, matched, add_person, disclosed):
        await add_person(HOA)
        await add_person("079190000012", surname="Lê", middle_name=None, given_name="An")
        found = await matched(
            csv_of(
                f"a1,{HOA},TRẦN THỊ HÒA,1990-05-17",
                "a2,079190000012,Lê Anh,1988-05-17",
                "a3,079190000099,Lê An,1988-05-17",
                "a4,,Trần Thị Hoà,1990-05-17",
                "a5,,Nguyễn Văn Nam,1988-05-17",
                "=1+1,x,An,1990",
                "a7",
            )
        )
        assert found == [
            RESULT,
            f"1,a1,MATCHED,{HOA},,",
            "2,a2,MISMATCH,,name,",
            "3,a3,NOT_FOUND,,,",
            "4,a4,AMBIGUOUS,,,name-and-birth-date-alone",
            "5,a5,NOT_FOUND,,,nobody-like-this",
            '6,"\'=1+1",INVALID,,,personal-id-wrong',
            "7,,INVALID,,,columns-wrong",
        ]
        records = await disclosed()
        assert [(r["subjects"], r["outcome"]) for r in records] == [
            ([HOA], "MATCHED"),
            (["079190000012"], "NOT_MATCHED"),
            (["079190000099"], "NOT_FOUND"),
            ([HOA], "NOT_MATCHED"),
            ([], "NOT_FOUND"),
        ]
        assert {r["operation"] for r in records} == {"population.create_match_job"}
        assert {tuple(r["field_groups"]) for r in records} == {("birth_date", "birth_name", "personal_id")}

    async def test_a_file_that_guesses_about_an_old_number_is_stopped(self, matched, add_person, disclosed):
        await add_person(HOA, legacy_id_number="024111222")
        lines = "".join(f"024111222,Võ Kim,19{year}\n" for year in (40, 50, 60, 70))
        columns = ["legacy_id_number", "name", "birth_date"]
        found = await matched(f"{','.join(columns)}\n{lines}".encode(), columns=columns)
        told = [line.split(",", 2)[2] for line in found[1:]]
        assert told == ["NOT_FOUND,,,nobody-like-this"] * 3 + ["INVALID,,,too-many-wrong-guesses"]
        assert [r["subjects"] for r in await disclosed()] == [[HOA]] * 4

    @pytest.mark.parametrize(
        "line", ["", "x\n", f"a,{HOA},Trần Thị Hòa,1990-05-17", f"a,{HOA},Trần Thị Hòa,1990-05-17\n"]
    )
    async def test_files_of_one_line_or_none_are_files(self, matched, add_person, line):
        await add_person(HOA)
        found = await matched(HEADER.encode() + line.encode())
        assert len(found) == 1 + bool(line)

    async def test_gzip_and_ndjson_are_read(self, matched, add_person):
        await add_person(HOA, legacy_id_number="024111222")
        line = '{"name": "Trần Thị Hòa", "birth_date": "1990-05-17", "legacy_id_number": "024111222"}\n'
        columns = ["name", "birth_date", "legacy_id_number"]
        packed = gzip.compress(line.encode())
        found = await matched(packed, format="NDJSON", compression="GZIP", columns=columns)
        assert found == [RESULT, f"1,,MATCHED,{HOA},,"]

    async def test_who_lives_outside_the_scope_is_not_found(self, client, insurance, runtime, add_person):
        await add_person(HOA)
        agency = Agency(client, insurance(scope={"provinces": ("01",)}))
        job = await agency.upload(csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17", "b,,Trần Thị Hòa,1990-05-17"))
        await work(runtime)
        assert [r.split(",")[2] for r in (await agency.result(job))[1:]] == ["NOT_FOUND", "NOT_FOUND"]

    async def test_a_former_number_is_answered_with_that_of_today(self, matched, add_person, session):
        await add_person(HOA)
        await session.execute(
            text(
                "INSERT INTO former_personal_ids VALUES"
                " ('079090000001', uuidv7(), :new, 'WRONG_ENTRY', 'QD-1', 'test')"
            ),
            {"new": HOA},
        )
        await session.commit()
        found = await matched(csv_of("a,079090000001,Trần Thị Hòa,1990-05-17"))
        assert found[1] == f"1,a,MATCHED,{HOA},,"

    async def test_a_file_that_tries_birth_dates_gets_no_further(self, matched, add_person):
        await add_person(HOA)
        days = [f"a,{HOA},Trần Thị Hòa,1990-05-{day:02d}" for day in range(10, 20)]
        found = [line.split(",")[2] for line in (await matched(csv_of(*days)))[1:]]
        assert found == ["MISMATCH"] * 3 + ["INVALID"] * 7
        again = await matched(csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17"))
        assert again[1] == "1,a,INVALID,,,too-many-wrong-guesses"

    async def test_that_guesses_are_used_up_tells_of_a_person_and_is_recorded(
        self, matched, add_person, disclosed
    ):
        await add_person(HOA)
        lines = [f"a,{HOA},Trần Thị Hòa,1990-05-{day}" for day in range(10, 16)]
        await matched(csv_of(*lines, "b,x,An,1990"))
        assert [(r["subjects"], r["outcome"]) for r in await disclosed()] == [([HOA], "NOT_MATCHED")] * 6

    async def test_what_another_process_lets_guess_meanwhile_counts_as_well(
        self, matched, add_person, runtime, monkeypatch, session
    ):
        await add_person(HOA)
        decide = verdicts.answers
        looked: list[int] = []

        def others_guess_first(*args: Any) -> Any:
            looked.append(1)
            return decide(*args)

        real = repository.count_guesses

        async def after_another(own: Any, agency: str, wrong: Any) -> Any:
            if len(looked) == 1:
                async with runtime.sessions() as other, other.begin():
                    await real(other, agency, {HOA: 2})
            return await real(own, agency, wrong)

        monkeypatch.setattr(verdicts, "answers", others_guess_first)
        monkeypatch.setattr(repository, "count_guesses", after_another)
        days = [f"a,{HOA},Trần Thị Hòa,1990-05-{day:02d}" for day in range(10, 14)]
        found = [line.split(",")[2] for line in (await matched(csv_of(*days)))[1:]]
        assert found == ["MISMATCH"] + ["INVALID"] * 3
        wrong = await session.execute(text("SELECT wrong FROM verification_guards"))
        assert wrong.scalar_one() == 3

    async def test_mismatches_are_there_for_reconciliation(self, agency, runtime, add_person, session):
        await add_person(HOA)
        job = await agency.upload(csv_of(f"a,{HOA},Trần Thị Hồng,1990-05-18", "b,x,An,1990"))
        await work(runtime)
        (row,) = await service.mismatches(session, job)
        assert (row.line, row.personal_id, row.fields) == (1, HOA, ["name", "birth_date"])
        assert await service.mismatches(session, job, after=1) == []


class TestEnds:
    async def test_the_agency_hears_how_each_of_its_jobs_ended_and_nobody_is_named(
        self, agency, runtime, add_person, emitted
    ):
        await add_person(HOA)
        line = csv_of(f"a,{HOA},Trần Thị Hòa,1990-05-17")
        finished = await agency.upload(line)
        failed = await agency.upload(b"name\n")
        await work(runtime)
        cancelled = await agency.upload(line)
        for _ in range(2):
            await agency.client.post(f"{PATH}/{cancelled}/cancel", headers=agency.headers)
        told = [e for e in await emitted() if e["type"] == "population.match-job-ended.v1"]
        found = {e["data"]["job_id"]: (e["data"]["state"], e["data"]["fault"]) for e in told}
        assert len(told) == len(found)
        assert found == {
            finished: ("FINISHED", None),
            failed: ("FAILED", "file-header-wrong"),
            cancelled: ("CANCELLED", None),
        }
        assert {(e["data"]["lines"], e["data"]["result_parts"]) for e in told} == {(1, 1), (0, 0)}
        assert HOA not in str(told)


class TestFileRefused:
    async def fault_of(self, agency, runtime, content, **more):
        job = await agency.upload(content, **more)
        await work(runtime)
        shown = await agency.show(job)
        assert shown["state"] == "FAILED"
        assert not list((runtime.settings.match_job_folder / job).glob("part-*"))
        return shown["fault"]

    async def test_another_file_than_announced(self, agency, runtime):
        wrong = hashlib.sha256(b"other").hexdigest()
        assert await self.fault_of(agency, runtime, csv_of("x"), sha256=wrong) == "file-digest-differs"

    async def test_a_wrong_header(self, agency, runtime):
        assert await self.fault_of(agency, runtime, b"name,birth_date\n") == "file-header-wrong"

    async def test_another_encoding(self, agency, runtime):
        assert await self.fault_of(agency, runtime, HEADER.encode("utf-16")) == "file-encoding-wrong"

    async def test_a_gzip_file_that_is_cut_off_keeps_what_was_answered(self, agency, runtime, monkeypatch):
        monkeypatch.setattr(feeds, "SLICE", 10)
        lines = [f"a,0791900{n:05d},An,1990" for n in range(1000)]
        packed = gzip.compress(csv_of(*lines))[:-9]
        assert await self.fault_of(agency, runtime, packed, compression="GZIP") == "file-truncated"

    async def test_a_file_of_nothing_but_line_ends(self, agency, runtime):
        packed = gzip.compress(HEADER.encode() + b"\n" * 200_000)
        assert await self.fault_of(agency, runtime, packed, compression="GZIP") in {
            "file-unreadable",
            "file-expands-too-much",
        }
        assert await self.fault_of(agency, runtime, HEADER.encode() + b"\n" * 2000) == "file-unreadable"

    async def test_more_lines_than_a_file_may_have(self, agency, runtime, monkeypatch):
        monkeypatch.setattr(feeds, "MOST_LINES", 3)
        assert await self.fault_of(agency, runtime, csv_of(*["x"] * 4)) == "file-too-large"

    async def test_a_bomb(self, agency, runtime):
        packed = gzip.compress(HEADER.encode() + bytes(64 << 20))
        assert await self.fault_of(agency, runtime, packed, compression="GZIP") == "file-expands-too-much"


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
