"""Parquet files are matched as others are; whatever a hostile one does, the job fails and nothing else."""

import io
import random
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from svc_population.match_jobs import columnar, parquet
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.vocabulary import FileFault
from svc_population.match_jobs.working import work

from .conftest import Killed

HOA = "079190000011"


COLUMNS = ["ref", "personal_id", "name", "birth_date"]


def table(rows: int = 1, **columns):
    made = {
        "ref": [f"r{n}" for n in range(rows)],
        "personal_id": [HOA] * rows,
        "name": ["Trần Thị Hòa"] * rows,
        "birth_date": ["1990-05-17"] * rows,
    }
    return pa.table(made | columns)


def packed(content, **options) -> bytes:
    out = io.BytesIO()
    pq.write_table(content, out, **options)
    return out.getvalue()


@pytest.fixture
def fault(agency, runtime):
    async def send(content: bytes, **more):
        job = await agency.upload(content, format="PARQUET", **{"columns": COLUMNS, **more})
        await work(runtime)
        shown = await agency.show(job)
        assert (shown["state"], shown["counts"]["lines"]) == ("FAILED", 0), shown
        assert not list((runtime.settings.match_job_folder / job).glob("part-*"))
        return shown["fault"]

    return send


class TestParquet:
    async def test_rows_are_matched_in_order_with_dates_as_dates_or_text(self, matched, add_person):
        await add_person(HOA)
        rows = table(
            5,
            birth_date=pa.array([date(1990, 5, 17)] * 3 + [None, date(1990, 5, 18)]),
            name=["TRẦN THỊ HÒA", "x" * 5000, "Trần\nThị Hòa", "An", "Trần Thị Hoà"],
            ref=pa.array(["a", "b", "c", "d", None], pa.large_string()),
        )
        found = await matched(packed(rows, row_group_size=2), format="PARQUET", columns=COLUMNS)
        assert [line.split(",", 1)[1] for line in found[1:]] == [
            f"a,MATCHED,{HOA},,",
            ",INVALID,,,line-too-long",
            f"c,MATCHED,{HOA},,",
            "d,INVALID,,,birth-date-missing",
            ",MISMATCH,,birth_date,",
        ]

    async def test_it_goes_on_after_a_kill_where_it_stood(self, agency, runtime, add_person, monkeypatch):
        await add_person(HOA)
        monkeypatch.setattr(feeds, "SLICE", 3)
        content = packed(table(8), row_group_size=3)
        job = await agency.upload(content, part=200, format="PARQUET")
        written = JobFiles.write

        def dies(self, place, content):
            written(self, place, content)
            if place.name == "result-000002":
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(JobFiles, "write", dies)
            with pytest.raises(Killed):
                await work(runtime)
        assert (await agency.show(job))["counts"]["lines"] == 3
        await work(runtime)
        assert (await agency.show(job))["counts"]["matched"] == 8
        assert [r.split(",")[1] for r in (await agency.result(job))[1:]] == [f"r{n}" for n in range(8)]

    async def test_it_is_refused_where_the_library_is_not_installed(self, agency, monkeypatch):
        monkeypatch.setattr(columnar, "is_served", lambda: False)
        reply = await agency.create(b"x", format="PARQUET")
        assert (reply.status_code, reply.json()["code"]) == (422, "file-format-not-served")
        monkeypatch.undo()
        assert (await agency.create(b"x", format="PARQUET", compression="GZIP")).status_code == 422


class TestHostile:
    async def test_what_is_no_parquet_file(self, fault):
        assert await fault(b"ref,personal_id,name,birth_date\n") == "file-unreadable"
        whole = packed(table())
        assert await fault(whole[: len(whole) // 2]) == "file-truncated"
        assert await fault(whole[:-8] + (1 << 30).to_bytes(4, "little") + b"PAR1") == "file-unreadable"
        assert await fault(whole[:4] + bytes(40) + whole[-8:]) == "file-unreadable"

    async def test_other_columns_or_types_than_announced(self, fault):
        wrong = [
            table().append_column("religion", pa.array(["x"])),
            table().drop_columns(["ref"]),
            table(personal_id=pa.array([79190000011])),
            table(name=pa.array([["Hòa"]])),
            table(name=pa.array([{"given": "Hòa"}])),
            table(name=pa.array([b"H\xff"])),
            table().rename_columns(["name", "personal_id", "name", "birth_date"]),
        ]
        assert [await fault(packed(one)) for one in wrong] == ["file-header-wrong"] * 7

    async def test_a_page_that_is_broken(self, fault):
        content = bytearray(packed(table(200, name=[f"An {n}" for n in range(200)]), compression="zstd"))
        content[60:200] = bytes(140)
        assert await fault(bytes(content)) == "file-unreadable"

    async def test_a_dictionary_of_a_long_value_does_not_fill_memory(self, fault, monkeypatch):
        # 2 MB in the file, 1.3 TB as text: no row of it is handed on, and the whole is short.
        rows = 600_000
        name = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), pa.array(["x" * 2_000_000]))
        content = packed(
            pa.table(
                {
                    "ref": pa.nulls(rows, pa.string()),
                    "personal_id": pa.nulls(rows, pa.string()),
                    "name": name,
                    "birth_date": pa.nulls(rows, pa.string()),
                }
            ),
            compression="zstd",
            store_schema=False,
        )
        assert len(content) < 1_000_000
        assert await fault(content) == "file-expands-too-much"

    def test_a_row_group_that_says_it_expands_beyond_reason(self, tmp_path, monkeypatch):
        monkeypatch.setattr(parquet, "MOST_GROUP", 1000)
        (tmp_path / "part-000001").write_bytes(packed(table(500)))
        assert parquet.run(tmp_path, 1, COLUMNS, io.BytesIO()) == "file-expands-too-much"
        monkeypatch.setattr(parquet, "MOST_ROWS", 499)
        assert parquet.run(tmp_path, 1, COLUMNS, io.BytesIO()) == "file-too-large"

    def test_whatever_is_damaged_it_is_read_or_refused(self, tmp_path):
        rng = random.Random(6)
        whole = packed(table(50), compression="snappy")
        part, faults = tmp_path / "part-000001", set()
        for _ in range(100):
            content = bytearray(whole)
            for _ in range(rng.randint(1, 4)):
                content[rng.randrange(len(content))] = rng.randrange(256)
            part.write_bytes(content)
            faults.add(parquet.run(tmp_path, 1, COLUMNS, io.BytesIO()))
        assert faults <= {"", *(f.value for f in FileFault)}
        assert len(faults) > 2
