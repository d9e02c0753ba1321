"""Reads what the model compares of every person, in one COPY: keys are made by the database, for all engines.

The rows stream through a pipe into the engine as Arrow batches: nothing is gathered and no file is written
here. The keys see what `matching.name_folding` sees (tones in one place, accents, spellings of one name,
`Thị`), and two more what is written by ear, and syllables in another order.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import IO

import asyncpg
import pyarrow as pa
from pyarrow import csv

COLUMNS = (
    "unique_id",
    "name_toned",
    "surname_toned",
    "middle_toned",
    "given_toned",
    "name_key",
    "name_short",
    "name_words",
    "surname_key",
    "given_key",
    "name_sound",
    "birth_date",
    "birth_year",
    "sex",
    "birth_province",
    "birth_commune",
    "province",
    "commune",
    "household",
    "mother_key",
    "father_key",
    "legacy_number",
    "phone",
)
_BLOCK = 1 << 20
_TONES = "\u0300\u0301\u0303\u0309\u0323"


def _toned(name: str) -> str:
    """Return SQL that puts each syllable's tone at its end, as `ndx_contracts.names.tone_key` does."""
    lowered = f"lower(normalize({name}, NFC) COLLATE pg_c_utf8)"
    return rf"regexp_replace(normalize({lowered}, NFD), '([{_TONES}])([^ {_TONES}]*)', '\2\1', 'g')"


def _key(name: str) -> str:
    """Return SQL of a name without accents and `Thị`, in the first of its spellings."""
    found = f"replace(name_key({name}), ' THI ', ' ')"
    for one, other in (("VU", "VO"), ("HUYNH", "HOANG")):
        found = f"regexp_replace({found}, '^{one} ', '{other} ')"
    return rf"regexp_replace({found}, '\m(QU|[BCDGHKLMNPQRSTVX]+)Y\M', '\1I', 'g')"


_SOUNDS = (
    ("^(GI(?=[AEIOUY])|R|D|V)", "D"),
    ("^(TR|CH)", "C"),
    ("^X", "S"),
    ("^N(?![GH])", "L"),
    ("(NG|NH)$", "N"),
    ("(CH|C)$", "T"),
)
"""Initials and finals that some region speaks alike; on words without accents."""


def _sound(word: str) -> str:
    for pattern, sound in _SOUNDS:
        word = f"regexp_replace({word}, '{pattern}', '{sound}')"
    return word


def _full(alias: str) -> str:
    return f"concat_ws(' ', {alias}.surname, {alias}.middle_name, {alias}.given_name)"


def _parent(relation: str, alias: str) -> str:
    return (
        f" LEFT JOIN relationships {alias}r ON {alias}r.personal_id = p.personal_id"
        f" AND {alias}r.relation = '{relation}' AND {alias}r.ordinal = 0"
        f" LEFT JOIN persons {alias} ON {alias}.personal_id = {alias}r.related_personal_id"
    )


def _parent_key(alias: str) -> str:
    return _key(f"coalesce({alias}r.related_name, nullif({_full(alias)}, ''))")


QUERY = f"""
SELECT n.personal_id, n.toned, split_part(n.toned, ' ', 1),
    coalesce(substring(n.toned FROM '^[^ ]+ (.*) [^ ]+$'), ''), split_part(n.toned, ' ', -1),
    n.key, split_part(n.key, ' ', 1) || ' ' || split_part(n.key, ' ', -1),
    (SELECT string_agg(word, ' ' ORDER BY word COLLATE "C") FROM string_to_table(n.key, ' ') AS word),
    split_part(n.key, ' ', 1), split_part(n.key, ' ', -1),
    split_part(n.key, ' ', 1) || ' ' || {_sound("split_part(n.key, ' ', -1)")},
    n.birth_date::text, to_char(n.birth_date, 'YYYY'), n.sex,
    n.birth_registration_province_code, coalesce(n.birth_registration_commune_code, n.birth_place_code),
    n.permanent_province_code, n.permanent_commune_code, n.household_number,
    n.mother, n.father, n.legacy_id_number, n.phone
FROM (
    SELECT p.*, {_toned(_full("p"))} AS toned, {_key(_full("p"))} AS key,
        {_parent_key("m")} AS mother, {_parent_key("f")} AS father
    FROM persons p{_parent("MOTHER", "m")}{_parent("FATHER", "f")}
    OFFSET 0
) AS n
"""  # noqa: S608 - put together from constants
"""OFFSET 0 keeps the keys from being made anew for each column that uses them."""


async def stream(dsn: str, take: Callable[[pa.RecordBatchReader], int]) -> int:
    """Send every person through a pipe to `take`, which runs in a thread; return what it returns."""
    reading, writing = os.pipe()
    connection = await asyncpg.connect(dsn)
    try:
        taken = asyncio.create_task(asyncio.to_thread(_taken, os.fdopen(reading, "rb"), take))
        try:
            # A pipe that broke says that the other end failed: its own error is raised below.
            with suppress(BrokenPipeError):
                await connection.copy_from_query(
                    QUERY,
                    output=lambda piece: asyncio.to_thread(_write, writing, piece),
                    format="csv",
                    encoding="utf-8",
                )
        finally:
            os.close(writing)
            rows = await taken
        return rows
    finally:
        await connection.close()


def _write(pipe: int, piece: bytes) -> None:
    left = memoryview(piece)
    while left:
        left = left[os.write(pipe, left) :]


def _taken(source: IO[bytes], take: Callable[[pa.RecordBatchReader], int]) -> int:
    with source:
        reader = csv.open_csv(
            source,
            read_options=csv.ReadOptions(column_names=list(COLUMNS), block_size=_BLOCK, use_threads=False),
            convert_options=csv.ConvertOptions(
                column_types=dict.fromkeys(COLUMNS, pa.string()),
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                null_values=[""],
            ),
        )
        return take(pa.RecordBatchReader.from_batches(reader.schema, reader))
