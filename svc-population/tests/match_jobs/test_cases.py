"""Mismatches become cases where the agency asked for it: each once, with what is in dispute only."""

from datetime import timedelta

import pytest
from ndx_contracts.agreements import AdminScope
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.admin_units.service import today
from svc_population.match_jobs import feed as feeds
from svc_population.match_jobs.files import JobFiles
from svc_population.match_jobs.working import work
from svc_population.reconciliation.service import GROUPS

from .conftest import Agency, Killed

HOA, NAM = "079190000011", "079088000022"
CASES = "/population/v1/reconciliation-cases"
COLUMNS = ["ref", "personal_id", "name", "birth_date", "sex", "legacy_id_number"]
PLAIN = "ref,personal_id,name,birth_date\n"


@pytest.fixture
def opener(client, insurance):
    return Agency(client, insurance(opening=GROUPS))


@pytest.fixture
def sent(opener, runtime):
    """Send a file that asks for cases; return what is shown of the job, and the result."""

    async def send(content: str, **more):
        job = await opener.upload(content.encode(), opens_cases=True, **more)
        await work(runtime)
        shown = await opener.show(job)
        assert shown["state"] == "FINISHED", shown
        return shown, await opener.result(job)

    return send


def mismatch(number=HOA, name="Trần Thị Hồng", born="1990-05-17"):
    return f"a,{number},{name},{born}\n"


class TestOpenCases:
    async def test_each_field_in_dispute_becomes_a_case_at_the_commune(
        self, client, sent, add_person, agree, as_agency, emitted
    ):
        await add_person(HOA, legacy_id_number="024111222")
        await add_person(NAM)
        shown, result = await sent(
            f"{','.join(COLUMNS)}\n"
            f"BH1,{HOA},Trần Thị Hồng,1990-05-18,MALE,024111223\n"
            f"BH2,{NAM},Nguyễn Văn Nam,1988-05-17,MALE,\n",
            columns=COLUMNS,
        )
        assert (shown["opens_cases"], shown["cases"]) == (True, {"opened": 4, "known": 0})
        assert result[0] == "line,ref,outcome,personal_id,fields,reasons,cases"
        numbers = result[1].rpartition(",")[2].split(";")
        assert (len(numbers), result[2]) == (4, f"2,BH2,MATCHED,{NAM},,,")
        agree(
            "X26740",
            {"population.list_reconciliation_cases": list(GROUPS)},
            purposes=["DATA_RECONCILIATION"],
            admin_scope=AdminScope(communes=("26740",)),
        )
        officers = as_agency("X26740", purpose="DATA_RECONCILIATION")
        found = (await client.get(CASES, headers=officers)).json()["items"]
        assert sorted(c["case_id"] for c in found) == sorted(numbers)
        assert {c["kind"]: [(d["field"], d["theirs"], d["ours"]) for d in c["disputed"]] for c in found} == {
            "NAME_DIFF": [("birth_name", "Trần Thị Hồng", "Trần Thị Hoà")],
            "DOB_DIFF": [("birth_date", "1990-05-18", "1990-05-17")],
            "SEX_DIFF": [("sex", "MALE", "FEMALE")],
            "LEGACY_ID_DIFF": [("legacy_id_number", "024111223", "024111222")],
        }
        assert {c["deadline"] for c in found} == {(today() + timedelta(days=15)).isoformat()}
        assert {c["steps"][0]["evidence"][0] for c in found} == {f"match job {shown['id']}, line 1, ref BH1"}
        told = [e["data"] for e in await emitted() if "case_id" in e["data"]]
        assert sorted(e["kind"] for e in told) == ["DOB_DIFF", "LEGACY_ID_DIFF", "NAME_DIFF", "SEX_DIFF"]

    async def test_the_same_file_again_opens_no_second_case(self, sent, add_person, session):
        await add_person(HOA)
        first = await sent(PLAIN + mismatch())
        again = await sent(PLAIN + mismatch())
        assert (first[0]["cases"], again[0]["cases"]) == (
            {"opened": 1, "known": 0},
            {"opened": 0, "known": 1},
        )
        assert first[1] == again[1]
        await session.execute(text("UPDATE reconciliation_cases SET state = 'RESOLVED'"))
        await session.commit()
        settled = await sent(PLAIN + mismatch())
        assert (settled[0]["cases"], settled[1]) == ({"opened": 0, "known": 1}, first[1])

    async def test_two_lines_about_one_person_and_field_are_one_case(self, sent, add_person):
        await add_person(HOA)
        shown, result = await sent(PLAIN + mismatch() + mismatch(name="Trần Thị Hằng"))
        assert shown["cases"] == {"opened": 1, "known": 1}
        assert result[1].rpartition(",")[2] == result[2].rpartition(",")[2] != ""

    async def test_a_year_that_fits_is_nothing_to_settle(self, sent, add_person):
        await add_person(HOA)
        shown, result = await sent(PLAIN + mismatch(name="Trần Thị Hòa", born="1990"))
        assert result[1] == "1,a,MISMATCH,,birth_date,birth-date-partial,"
        assert shown["cases"] == {"opened": 0, "known": 0}

    async def test_who_is_guessed_about_too_often_gets_no_case(self, sent, add_person):
        await add_person(HOA)
        shown, result = await sent(PLAIN + "".join(mismatch(born=f"1990-06-{d}") for d in range(10, 20)))
        assert shown["cases"] == {"opened": 2, "known": 4}
        assert result[10] == "10,a,INVALID,,,too-many-wrong-guesses,"

    async def test_a_name_longer_than_any_stops_no_job(self, sent, add_person):
        await add_person(HOA)
        shown, result = await sent(PLAIN + mismatch(name="x" * 300) + mismatch())
        assert result[1] == "1,a,INVALID,,,name-wrong,"
        assert shown["cases"] == {"opened": 1, "known": 0}

    async def test_without_being_asked_nothing_is_opened(self, opener, runtime, add_person, session):
        await add_person(HOA)
        job = await opener.upload((PLAIN + mismatch()).encode())
        await work(runtime)
        assert (await opener.result(job))[1] == "1,a,MISMATCH,,name,"
        assert await session.scalar(text("SELECT count(*) FROM reconciliation_cases")) == 0

    async def test_a_process_that_dies_opens_each_case_once(
        self, opener, runtime, add_person, monkeypatch, session
    ):
        people = [await add_person(f"0791900{n:05d}") for n in range(8)]
        monkeypatch.setattr(feeds, "SLICE", 3)
        content = PLAIN + "".join(mismatch(number=p, name="Lê Bình", born="1988-05-17") for p in people)
        job = await opener.upload(content.encode(), opens_cases=True)
        written = JobFiles.write

        def dies(self, place, content):
            written(self, place, content)
            if place.name == "result-000002":
                raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(JobFiles, "write", dies)
            with pytest.raises(Killed):
                await work(runtime)
        assert (await opener.show(job))["cases"] == {"opened": 3, "known": 0}
        await work(runtime)
        assert (await opener.show(job))["cases"] == {"opened": 8, "known": 0}
        assert await session.scalar(text("SELECT count(*) FROM reconciliation_cases")) == 8


class TestRights:
    async def test_an_agreement_that_does_not_cover_opening_cases_refuses(self, agency):
        reply = await agency.create(PLAIN.encode(), opens_cases=True)
        assert (reply.status_code, reply.json()["code"]) == (403, "no-agreement")

    async def test_a_field_that_is_no_matter_of_cases_there_refuses(self, client, insurance):
        agency = Agency(client, insurance(opening=[FieldGroup.BIRTH_NAME]))
        reply = await agency.create(PLAIN.encode(), opens_cases=True)
        assert (reply.status_code, reply.json()["code"]) == (403, "field-group-not-covered")

    async def test_a_right_that_ends_meanwhile_fails_the_job(
        self, opener, insurance, runtime, add_person, session
    ):
        await add_person(HOA)
        job = await opener.upload((PLAIN + mismatch()).encode(), opens_cases=True)
        insurance()
        await work(runtime)
        shown = await opener.show(job)
        assert (shown["state"], shown["fault"], shown["result_parts"]) == ("FAILED", "no-agreement", 0)
        assert await session.scalar(text("SELECT count(*) FROM reconciliation_cases")) == 0
