"""Sensitive values lie in the database sealed, are read as they were written, and get a new key when told."""

import asyncio
import base64
import json
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ndx_contracts.field_groups import FieldGroup
from sqlalchemy import text
from svc_population.changes.schemas import CHANGEABLE
from svc_population.histories.schemas import GROUPS
from svc_population.imports.service import load_persons
from svc_population.persons import resealing
from svc_population.persons.errors import SensitiveKeyMissing
from svc_population.persons.resealing import reseal
from svc_population.persons.sealing import NO_KEYS, Keyring

A, B = "079190000011", "079190000555"
PLAIN = "Phật giáo Hoà Hảo"
DOCUMENT = {"kind": "decision", "number": "12/QĐ", "issued_by": "UBND", "issued_on": "2026-11-02"}


def key_file(folder, current: str, *names: str):
    path = folder / "sensitive.json"
    keys = {n: base64.b64encode(n.encode().ljust(32, b".")).decode() for n in names or (current,)}
    path.write_text(json.dumps({"current": current, "keys": keys}))
    return path


@pytest.fixture
def service_settings(service_settings, tmp_path) -> dict[str, Any]:
    return {**service_settings, "sensitive_key_file": key_file(tmp_path, "k1")}


@pytest.fixture
def police(agree, as_agency):
    operations = {"population.change_person": list(CHANGEABLE)}
    operations |= {f"population.{n}": list(GROUPS) for n in ("get_person_as_of", "list_person_versions")}
    names = ("propose_person_merger", "decide_person_merger")
    operations |= {f"population.{n}": [FieldGroup.PERSONAL_ID] for n in names}
    agree("G01", operations, purposes=["RESIDENCE_MANAGEMENT"])

    def headers(version=1, officer="CA-1"):
        extra = {"If_Match": str(version), "NDX_Case_Id": "HS-1", "NDX_Officer": officer}
        return as_agency("G01", purpose="RESIDENCE_MANAGEMENT", **extra)

    return headers


@pytest.fixture
def dump(runtime):
    """Return everything that lies in the tables that hold a person's data, as text."""

    async def read() -> str:
        connection = await asyncpg.connect(runtime.settings.asyncpg_dsn)
        tables = ("persons", "person_history", "person_mergers", "outbox", "audit_entries")
        rows = [str(await connection.fetch(f"SELECT t::text FROM {t} t")) for t in tables]  # noqa: S608 - fixed names
        await connection.close()
        return "".join(rows)

    return read


async def changed(client, headers, personal_id=A, kind="CHANGE", day="2026-11-01", **groups):
    body = {"kind": kind, "effective_from": day, "document": DOCUMENT, "changes": groups}
    reply = await client.patch(f"/population/v1/persons/{personal_id}", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return reply.json()


class TestKeyring:
    @given(st.text(min_size=1), st.uuids(), st.sampled_from(["religion", "blood_group"]))
    def test_what_was_sealed_opens_for_its_person_and_column_only(self, value, person_id, column):
        keys = Keyring("k", {"k": _aes()})
        sealed = keys.seal(value, column=column, person_id=person_id)
        assert sealed.startswith("enc1:k:")
        assert keys.open(sealed, column=column, person_id=person_id) == value
        for other in ({"column": "x", "person_id": person_id}, {"column": column, "person_id": uuid4()}):
            with pytest.raises(SensitiveKeyMissing, match="'k'") as caught:
                keys.open(sealed, **other)
            assert sealed not in str(caught.value)
        assert keys.seal(value, column=column, person_id=person_id) != sealed

    def test_without_its_key_a_value_is_not_given_and_the_key_is_named(self):
        sealed = Keyring("2025a", {"2025a": _aes()}).seal("x", column="religion", person_id=UUID(int=1))
        for keys in (NO_KEYS, Keyring("2026a", {"2026a": _aes()})):
            with pytest.raises(SensitiveKeyMissing, match="'2025a'") as caught:
                keys.open(sealed, column="religion", person_id=UUID(int=1))
            assert sealed.rsplit(":", maxsplit=1)[1] not in str(caught.value)

    @pytest.mark.parametrize(
        "content",
        ["", "{}", '{"current": "a", "keys": {}}', '{"current": "a", "keys": {"a": "c2hvcnQ="}}', "[]"],
    )
    def test_a_bad_key_file_is_refused_at_once(self, tmp_path, content):
        (tmp_path / "bad").write_text(content)
        with pytest.raises(SensitiveKeyMissing):
            Keyring.of_file(tmp_path / "bad")


def _aes():
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(b"0" * 32)


class TestSealedColumns:
    async def test_no_sensitive_value_lies_in_the_database_and_every_read_gives_it(
        self, client, police, insurer, add_person, dump
    ):
        await add_person(A)
        await changed(client, police(), religion=PLAIN, blood_group="AB-")
        again = await changed(client, police(), religion=PLAIN)
        assert again["changed"] == []
        await changed(client, police(2), religion="Công giáo", day="2026-11-02")
        stored = await dump()
        assert PLAIN not in stored
        assert "Công giáo" not in stored
        assert "AB-" not in stored
        url = f"/population/v1/persons/{A}"
        read = await client.get(f"{url}?fields=religion,blood_group", headers=insurer)
        assert read.json() == {"religion": "Công giáo", "blood_group": "AB-"}
        body = {"personal_ids": [A], "fields": ["religion"]}
        many = await client.post("/population/v1/person-lookups", json=body, headers=insurer)
        assert many.json()["items"][0]["person"] == {"religion": "Công giáo"}
        past = await client.get(f"{url}/as-of?fields=religion&valid_at=2026-11-01", headers=police())
        assert past.json()["person"] == {"religion": PLAIN}
        versions = await client.get(f"{url}/history?fields=religion", headers=police())
        assert versions.json()["items"][0]["before"] == {"religion": PLAIN}

    async def test_a_merger_and_its_undoing_keep_values_sealed(
        self, client, police, insurer, add_person, dump
    ):
        await add_person(A)
        await add_person(B)
        await changed(client, police(), B, religion=PLAIN)

        async def done(body):
            proposed = await client.post("/population/v1/person-mergers", json=body, headers=police())
            url = f"/population/v1/person-mergers/{proposed.json()['id']}/decision"
            reply = await client.post(url, json={"verdict": "APPROVE"}, headers=police(officer="CA-2"))
            assert reply.status_code == 200, reply.text
            return reply.json()["id"]

        merge = {"kind": "MERGE", "survivor": A, "duplicate": B, "take": ["religion"], "document": DOCUMENT}
        merger = await done(merge)

        async def religion(number):
            url = f"/population/v1/persons/{number}?fields=religion"
            return (await client.get(url, headers=insurer)).json()["religion"]

        assert await religion(A) == PLAIN
        history = await client.get(f"/population/v1/persons/{B}/history?fields=religion", headers=police())
        assert history.json()["items"][0]["after"] == {"religion": PLAIN}
        await done({"kind": "UNDO", "merger_id": merger, "document": DOCUMENT})
        assert (await religion(A), await religion(B)) == (None, PLAIN)
        assert PLAIN not in await dump()

    async def test_without_the_key_sealed_groups_are_refused_and_others_are_read(
        self, client, police, insurer, add_person, runtime
    ):
        await add_person(A)
        await changed(client, police(), religion=PLAIN)
        runtime.extras["persons.keyring"] = NO_KEYS
        refused = await client.get(f"/population/v1/persons/{A}?fields=religion", headers=insurer)
        assert (refused.status_code, refused.json()["code"]) == (503, "sensitive-key-missing")
        assert "enc1" not in refused.text
        assert "'k1'" in refused.json()["detail"]
        read = await client.get(f"/population/v1/persons/{A}?fields=sex", headers=insurer)
        assert read.status_code == 200

    async def test_a_bulk_load_seals_before_a_row_lies_in_a_table_that_stays(
        self, client, insurer, runtime, dump, tmp_path
    ):
        keys = runtime.extras["persons.keyring"]
        header = "personal_id,given_name,birth_date,sex,religion,blood_group\n"
        rows = f"{A},Hoa,1990-05-17,FEMALE,{PLAIN},\n{B},Hoa,1990-05-17,FEMALE,,O+\n"
        await load_persons(runtime.settings.asyncpg_dsn, [header + rows], source="import:t", keys=keys)
        assert PLAIN not in await dump()
        url = "/population/v1/persons"
        for number, expected in ((A, (PLAIN, None)), (B, (None, "O+"))):
            read = await client.get(f"{url}/{number}?fields=religion,blood_group", headers=insurer)
            assert (read.json()["religion"], read.json()["blood_group"]) == expected


class TestReseal:
    async def _filled(self, client, police, add_person):
        await add_person(A)
        await add_person(B, religion="kept in plain", blood_group="A+")
        await changed(client, police(), religion=PLAIN)
        await changed(client, police(2), religion="Công giáo", day="2026-11-02")

    async def test_every_value_is_sealed_with_the_new_key_once_also_after_a_kill(
        self, client, police, insurer, add_person, dump, runtime, tmp_path, monkeypatch, session
    ):
        await self._filled(client, police, add_person)
        keys = Keyring.of_file(key_file(tmp_path, "k2", "k1", "k2"))
        dsn = runtime.settings.asyncpg_dsn
        whole = resealing._history

        async def killed(*_arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(resealing, "_history", killed)
        with pytest.raises(KeyboardInterrupt):
            await reseal(dsn, keys, batch=1)
        monkeypatch.setattr(resealing, "_history", whole)
        assert await reseal(dsn, keys, batch=1) == {
            "persons": 0,
            "person_history": 1,
            "person_mergers": 0,
        }
        assert await reseal(dsn, keys) == {"persons": 0, "person_history": 0, "person_mergers": 0}
        rows = await session.execute(text("SELECT part, resealed FROM resealings"))
        assert {r.part: r.resealed for r in rows}["persons"] == 3
        stored = await dump()
        assert "enc1:k1:" not in stored
        assert "kept in plain" not in stored
        only_new = Keyring.of_file(key_file(tmp_path, "k2"))
        runtime.extras["persons.keyring"] = only_new
        read = await client.get(f"/population/v1/persons/{B}?fields=religion,blood_group", headers=insurer)
        assert read.json() == {"religion": "kept in plain", "blood_group": "A+"}

    async def test_a_further_run_finds_what_came_after_a_finished_one(
        self, client, police, add_person, runtime, tmp_path, session
    ):
        """A process that still had the old key wrote on, or the former key is the current one again."""
        await self._filled(client, police, add_person)
        dsn = runtime.settings.asyncpg_dsn
        one, two = (Keyring.of_file(key_file(tmp_path, name, "k1", "k2")) for name in ("k1", "k2"))
        first = await reseal(dsn, one)
        assert sum((await reseal(dsn, two)).values()) > 0
        again = await reseal(dsn, one)
        assert again["persons"] >= first["persons"] > 0
        assert sum(again.values()) > sum(first.values())
        assert sum((await reseal(dsn, one)).values()) == 0

    async def test_a_service_that_may_not_change_the_history_seals_it_anew_and_still_may_not(
        self, client, police, add_person, runtime, tmp_path, dump
    ):
        await self._filled(client, police, add_person)
        dsn = runtime.settings.asyncpg_dsn
        admin, role = await asyncpg.connect(dsn), f"owner_{uuid4().hex}"
        await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        for table in (
            *("persons", "person_history", "person_mergers", "resealings"),
            *("population_deltas", "movement_deltas"),
        ):
            await admin.execute(f"ALTER TABLE {table} OWNER TO {role}")
        await admin.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON person_history FROM {role}")
        theirs = urlsplit(dsn)
        own = urlunsplit(theirs._replace(netloc=f"{role}:{role}@{theirs.hostname}:{theirs.port}"))
        try:
            await reseal(own, Keyring.of_file(key_file(tmp_path, "k2", "k1", "k2")))
            connection = await asyncpg.connect(own)
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute("UPDATE person_history SET before = '{}'")
            await connection.close()
            assert "enc1:k1:" not in await dump()
        finally:
            await admin.execute(f"REASSIGN OWNED BY {role} TO CURRENT_USER")
            await admin.execute(f"DROP OWNED BY {role}")
            await admin.execute(f"DROP ROLE {role}")
            await admin.close()

    async def test_a_backup_from_before_a_key_was_retired_tells_which_key_it_needs(
        self, client, police, add_person, runtime, tmp_path, dump, monkeypatch, capsys
    ):
        """What a database is whose values are of k1, when only k2 is left."""
        await self._filled(client, police, add_person)
        dsn, before = runtime.settings.asyncpg_dsn, await dump()
        monkeypatch.setenv("POPULATION_DATABASE_URL", dsn)

        def command(*arguments: str, keys: tuple[str, ...]) -> tuple[int, str, str]:
            monkeypatch.setenv("POPULATION_SENSITIVE_KEY_FILE", str(key_file(tmp_path, keys[-1], *keys)))
            code = resealing.main(list(arguments))
            told = capsys.readouterr()
            return code, told.out, told.err

        def both(*arguments: str, keys: tuple[str, ...]):
            # The command has a loop of its own.
            return asyncio.to_thread(command, *arguments, keys=keys)

        code, _, words = await both(keys=("k2",))
        assert (code, "'k1'" in words, PLAIN in words, "enc1" in words) == (1, True, False, False)
        assert await dump() == before
        code, listed, _ = await both("--keys", keys=("k2",))
        assert (code, listed.splitlines()[0]) == (1, "key,values,in_file")
        assert [line.split(",")[::2] for line in listed.splitlines()[1:]] == [["k1", "no"]]
        assert (await both(keys=("k1", "k2")))[0] == 0
        code, listed, _ = await both("--keys", keys=("k2",))
        assert (code, [line.split(",")[::2] for line in listed.splitlines()[1:]]) == (0, [["k2", "yes"]])

    async def test_a_database_that_refuses_ends_it_in_words_that_quote_no_row(
        self, client, police, add_person, runtime, tmp_path, session, monkeypatch, capsys
    ):
        await self._filled(client, police, add_person)
        only = "ALTER TABLE persons ADD CHECK (religion LIKE 'enc1:k1:%') NOT VALID"
        await session.execute(text(only))
        await session.commit()
        monkeypatch.setenv("POPULATION_DATABASE_URL", runtime.settings.asyncpg_dsn)
        keys = key_file(tmp_path, "k2", "k1", "k2")
        monkeypatch.setenv("POPULATION_SENSITIVE_KEY_FILE", str(keys))
        assert await asyncio.to_thread(resealing.main, []) == 1
        told = capsys.readouterr()
        assert "CheckViolationError" in told.err
        for value in ("Failing row", "enc1", B):
            assert value not in told.out + told.err

    async def test_without_a_key_there_is_nothing_to_seal_with(self, runtime):
        with pytest.raises(SensitiveKeyMissing):
            await reseal(runtime.settings.asyncpg_dsn, NO_KEYS)
