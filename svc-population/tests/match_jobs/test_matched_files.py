"""Each line of a file gets its answer and record, or the file is refused; the agency hears how it ended."""

import gzip
import hashlib
from typing import Any

import pytest
from sqlalchemy import text
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs import service, slices, verdicts
from svc_population.match_jobs.working import work
from svc_population.persons import verification

from .conftest import HEADER, HOA, PATH, Agency, csv_of

RESULT = "line,ref,outcome,personal_id,fields,reasons"


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

    async def test_a_file_that_tries_days_without_a_number_is_stopped_and_nobody_is_told_of(
        self, agency, runtime, matched, add_person, disclosed
    ):
        await add_person(HOA)
        columns = ["name", "birth_date", "commune_code"]
        most = runtime.settings.match_misses
        lines = "".join(f"Trần Thị Hòa,1990-05-{day:02d},26740\n" for day in range(1, 28) if day != 17)
        lines += "tran hoa,1990-05-17,26740\nTrần Thị Hòa,1985-05-17,26740\n"
        found = await matched(f"{','.join(columns)}\n{lines}".encode(), columns=columns)
        told = [line.split(",", 2)[2] for line in found[1:]]
        unlike, stopped = "NOT_FOUND,,,nobody-like-this", "INVALID,,,too-many-wrong-guesses"
        assert told == [unlike] * most + [stopped] * (27 - most) + [unlike]
        assert [(r["outcome"], r["subjects"]) for r in await disclosed()] == [("NOT_FOUND", [])] * (most + 1)

    async def test_a_large_file_may_have_more_of_a_common_name_who_are_nobody(
        self, agency, runtime, matched, add_person, monkeypatch
    ):
        await add_person(HOA)
        columns = ["name", "birth_date", "commune_code"]
        most = runtime.settings.match_misses
        wrong = "".join(f"Trần Thị Hòa,1990-06-{day:02d},26740\n" for day in range(1, most + 5))
        others = "".join(f"Ngô Văn {given},1988-05-17,26740\n" for given in ("An", "Ba", "Cư", "Do"))
        file = f"{','.join(columns)}\n{wrong}{others}".encode()
        # As if it had lines enough for two more.
        monkeypatch.setattr(slices, "_LINE_BYTES", len(file) / (2.5 * runtime.settings.match_lines_a_miss))
        found = await matched(file, columns=columns)
        told = [line.split(",", 2)[2] for line in found[1:]]
        unlike, stopped = "NOT_FOUND,,,nobody-like-this", "INVALID,,,too-many-wrong-guesses"
        assert told == [unlike] * (most + 2) + [stopped] * 2 + [unlike] * 4

    async def test_whose_guesses_are_used_up_is_nobody_to_a_file_without_numbers(
        self, matched, insurance, add_person, session
    ):
        await add_person(HOA)
        await session.execute(
            text(
                "INSERT INTO verification_guards (agency, personal_id, wrong, window_ends_at)"
                " VALUES ('G03', :hoa, 3, clock_timestamp() + interval '1 day')"
            ),
            {"hoa": HOA},
        )
        await session.commit()
        columns = ["name", "birth_date", "commune_code"]
        lines = "Trần Thị Hòa,1990-05-17,26740\nTrần Thị Hòa,1990-05-18,26740\n"
        found = await matched(f"{','.join(columns)}\n{lines}".encode(), columns=columns)
        assert [line.split(",", 2)[2] for line in found[1:]] == ["NOT_FOUND,,,nobody-like-this"] * 2

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

        real = verification.count_guesses

        async def after_another(own: Any, agency: str, wrong: Any) -> Any:
            if len(looked) == 1:
                async with runtime.sessions() as other, other.begin():
                    await real(other, agency, {HOA: 2})
            return await real(own, agency, wrong)

        monkeypatch.setattr(verdicts, "answers", others_guess_first)
        monkeypatch.setattr(verification, "count_guesses", after_another)
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
