"""A file comes in parts, can be resumed, belongs to its agency, and goes when it is cancelled."""

import errno
from pathlib import Path

import pytest
from ndx_contracts.agreements import Conditions
from ndx_contracts.field_groups import FieldGroup
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs import service
from svc_population.match_jobs.erasing import erase_due
from svc_population.match_jobs.errors import FileStorageFull, MatchJobNotFound
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.working import work

from .conftest import PATH, Agency, digest_of

FILE = "ref,personal_id,name,birth_date\na1,079190000011,TRẦN THỊ HÒA,1990-05-17\n".encode()


class TestCreateMatchJob:
    async def test_the_same_file_with_the_same_key_is_one_job(self, agency):
        one, other = [await agency.create(FILE, key="k1") for _ in range(2)]
        assert (one.status_code, one.json()["id"]) == (201, other.json()["id"])
        assert one.json()["state"] == "UPLOADING"
        reply = await agency.create(FILE + b"x", key="k1")
        assert (reply.status_code, reply.json()["code"]) == (422, "idempotency-key-reused")

    async def test_an_agency_has_so_many_unfinished_jobs(self, agency):
        codes = [(await agency.create(FILE)).status_code for _ in range(6)]
        assert codes == [201] * 5 + [429]

    async def test_a_column_outside_the_agreement_is_refused(self, client, insurance):
        agency = Agency(client, insurance(groups=[FieldGroup.PERSONAL_ID, FieldGroup.BIRTH_NAME]))
        reply = await agency.create(FILE)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")

    async def test_an_agreement_with_consents_has_no_files(self, client, insurance):
        agency = Agency(client, insurance(conditions=Conditions(consent_required=True)))
        reply = await agency.create(FILE)
        assert (reply.status_code, reply.json()["code"]) == (403, "batch-not-covered")

    async def test_a_purpose_is_needed(self, client, insurance):
        headers = {k: v for k, v in insurance().items() if k.lower() != "ndx-purpose"}
        reply = await Agency(client, headers).create(FILE)
        assert (reply.status_code, reply.json()["code"]) == (403, "purpose-not-covered")

    @pytest.mark.parametrize(
        "wrong",
        [
            {"format": "XLSX"},
            {"compression": "ZIP"},
            {"columns": ["name"]},
            {"columns": ["name", "birth_date", "name"]},
            {"columns": ["name", "birth_date", "religion"]},
            {"bytes": 0},
            {"bytes": 5 * 1024**3},
            {"sha256": "x"},
            {"path": "/etc/passwd"},
        ],
    )
    async def test_what_is_no_file_is_refused(self, agency, wrong):
        assert (await agency.create(FILE, **wrong)).status_code == 422


class TestPutPart:
    async def test_parts_come_in_any_order_and_again(self, agency):
        job = (await agency.create(FILE)).json()["id"]
        assert (await agency.put(job, 3, FILE[40:])).status_code == 200
        assert (await agency.show(job))["missing_parts"] == [1, 2]
        reply = await agency.start(job)
        assert (reply.status_code, reply.json()["code"]) == (409, "file-incomplete")
        for number, piece in ((1, FILE[:20]), (2, FILE[20:40]), (1, FILE[:20])):
            assert (await agency.put(job, number, piece)).status_code == 200
        shown = (await agency.start(job)).json()
        assert (shown["state"], shown["bytes_uploaded"], shown["parts"]) == ("QUEUED", len(FILE), 3)
        assert (await agency.start(job)).status_code == 200

    async def test_another_content_under_the_same_number_is_refused(self, agency):
        job = (await agency.create(FILE)).json()["id"]
        await agency.put(job, 1, FILE[:20])
        reply = await agency.put(job, 1, FILE[:21])
        assert (reply.status_code, reply.json()["code"]) == (409, "part-differs")

    @pytest.mark.parametrize("said", [{}, digest_of(b"other"), {"Content-Digest": "md5=:x:"}])
    async def test_a_part_without_its_digest_is_refused(self, client, agency, said):
        job = (await agency.create(FILE)).json()["id"]
        reply = await client.put(f"{PATH}/{job}/parts/1", content=FILE, headers={**agency.headers, **said})
        assert (reply.status_code, reply.json()["code"]) == (422, "part-digest-wrong")

    async def test_more_than_was_announced_is_refused(self, agency):
        job = (await agency.create(FILE)).json()["id"]
        reply = await agency.put(job, 1, FILE + b"x")
        assert (reply.status_code, reply.json()["code"]) == (409, "file-incomplete")

    async def test_a_full_disk_is_said_and_leaves_nothing(self, agency, monkeypatch, runtime):
        job = (await agency.create(FILE)).json()["id"]

        def full(self, target):
            raise OSError(errno.ENOSPC, "no space")

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", full)
            reply = await agency.put(job, 1, FILE)
        assert (reply.status_code, reply.json()["code"]) == (503, "file-storage-full")
        assert [p for p in runtime.settings.match_job_folder.rglob("*") if p.is_file()] == []
        assert (await agency.put(job, 1, FILE)).status_code == 200

    async def test_a_job_that_runs_takes_no_part(self, agency):
        job = await agency.upload(FILE)
        reply = await agency.put(job, 2, b"x")
        assert (reply.status_code, reply.json()["code"]) == (409, "match-job-state-wrong")


class TestOwnership:
    async def test_another_agency_finds_nothing(self, client, agency, insurance, runtime):
        job = await agency.upload(FILE)
        await work(runtime)
        stranger = insurance("G04")
        for method, path in (
            ("GET", ""),
            ("POST", "/start"),
            ("POST", "/cancel"),
            ("PUT", "/parts/1"),
            ("GET", "/result/1"),
        ):
            headers = {**stranger, **digest_of(b"x")}
            content = b"x" if method == "PUT" else None
            reply = await client.request(method, f"{PATH}/{job}{path}", headers=headers, content=content)
            assert (reply.status_code, reply.json()["code"]) == (404, "match-job-not-found"), path


class TestCancelMatchJob:
    async def test_a_cancelled_job_is_erased_and_not_worked_on(self, agency, runtime, session):
        job = await agency.upload(FILE)
        for _ in range(2):
            reply = await agency.client.post(f"{PATH}/{job}/cancel", headers=agency.headers)
            assert (reply.status_code, reply.json()["state"]) == (200, "CANCELLED")
        assert await work(runtime) == 0
        assert await erase_due(runtime) == 1
        assert not (runtime.settings.match_job_folder / job).exists()
        assert (await agency.start(job)).json()["code"] == "match-job-state-wrong"

    async def test_a_cancellation_that_is_not_committed_leaves_the_file(self, agency, runtime, monkeypatch):
        job = await agency.upload(FILE)

        async def fails(*_args: object) -> None:
            raise MatchJobNotFound

        with monkeypatch.context() as patched:
            patched.setattr(service, "show", fails)
            await agency.client.post(f"{PATH}/{job}/cancel", headers=agency.headers)
        await erase_due(runtime)
        await work(runtime)
        assert (await agency.show(job))["state"] == "FINISHED"

    async def test_what_a_cancelled_job_had_answered_is_not_given_any_more(
        self, agency, runtime, monkeypatch
    ):
        job = await agency.upload(FILE + FILE)
        monkeypatch.setattr(feeds, "SLICE", 1)
        written = JobFiles.write

        def stops(self: JobFiles, place: Path, content: bytes) -> None:
            if place.name == "result-000002":
                raise FileStorageFull
            written(self, place, content)

        monkeypatch.setattr(JobFiles, "write", stops)
        await work(runtime)
        assert (await agency.show(job))["result_parts"] == 1
        reply = await agency.client.post(f"{PATH}/{job}/cancel", headers=agency.headers)
        assert reply.json()["result_parts"] == 0
        reply = await agency.client.get(f"{PATH}/{job}/result/1", headers=agency.headers)
        assert reply.json()["code"] == "match-job-not-found"

    async def test_a_finished_job_is_not_cancelled(self, agency, runtime):
        job = await agency.upload(FILE)
        await work(runtime)
        reply = await agency.client.post(f"{PATH}/{job}/cancel", headers=agency.headers)
        assert (reply.status_code, reply.json()["code"]) == (409, "match-job-state-wrong")


class TestFiles:
    def test_names_are_ours(self, tmp_path):
        from uuid import uuid4

        job = uuid4()
        files = JobFiles(tmp_path, job)
        files.write(files.part(1), b"x")
        assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("part*")] == [f"{job}/part-000001"]
