"""SQL of the bulk load: COPY into a temporary table, from there into persons and relationships."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg

from svc_population.changes.rules import OLDEST_YEAR
from svc_population.imports import circles
from svc_population.imports.errors import ImportRefused
from svc_population.imports.layout import PERSON_COLUMNS, PHONE_DIGITS, RELATION_COLUMNS, Column
from svc_population.personal_ids.personal_id import known_place_codes
from svc_population.persons.sealing import NO_KEYS, SENSITIVE, Keyring

_PERSON = tuple(c.name for c in PERSON_COLUMNS)
_DATES = frozenset(c.name for c in PERSON_COLUMNS if c.holds.startswith("date"))
_DEFAULTS = {"nationality": "'VN'", "life_status": "'ALIVE'"}
# Dates too come as text: one that cannot be read costs its own line and not the load.
_STAGING = ", ".join(f"{c.name} text" for c in (*PERSON_COLUMNS, *RELATION_COLUMNS))
_PERSON_ID = "person_id uuid DEFAULT uuidv7()"
_SEALED_OR_NOT = "sealed boolean NOT NULL DEFAULT false"
_CREATE = (
    f"CREATE TEMPORARY TABLE staged_persons ({_STAGING}, {_PERSON_ID}, {_SEALED_OR_NOT}, line bigint)"
    " ON COMMIT DELETE ROWS"
)
_LAST_YEAR = 2199
_TODAY = "(SELECT to_char(clock_timestamp() AT TIME ZONE 'Asia/Ho_Chi_Minh', 'YYYY-MM-DD'))"
_ISO = (
    "({0} LIKE '____-__-__' AND translate({0}, '0123456789', '') = '--' AND pg_input_is_valid({0}, 'date'))"
)


def _fault(column: Column) -> str:
    """Return the condition under which a cell is none of its column's; of no cell it is null or false."""
    name = column.name
    if column.one_of:
        fault = f"{name} NOT IN ({', '.join(map(repr, column.one_of))})"
    elif column.made_of:
        fault = f"(octet_length({name}) <> {column.length} OR ltrim({name}, '{column.made_of}') <> '')"
    elif name in _DATES:
        fault = f"NOT {_ISO.format(name)}"
    else:
        # Bytes are counted at once, characters one by one.
        fault = f"(octet_length({name}) > {column.most} AND length({name}) > {column.most})"
        if name.endswith("name") or name in SENSITIVE:
            fault += f" OR {name} COLLATE \"C\" ~ '[\\x01-\\x1f\\x7f]'"
    if name in SENSITIVE:
        # A sealed value was looked at before it was sealed; one that is none is empty, as no cell is.
        fault = f"CASE WHEN sealed THEN {name} = '' ELSE {fault} END"
    return f"{fault} OR {name} IS NULL" if column.required else fault


_FAULTS = {column.name: _fault(column) for column in (*PERSON_COLUMNS, *RELATION_COLUMNS)}
_FAULTS["given_name"] += " OR btrim(given_name) = ''"
_DIGITS = "0123456789"
_FAULTS["phone"] = (
    f"rtrim(phone, '{_DIGITS}') NOT IN ('', '+')"
    f" OR octet_length(ltrim(phone, '+')) NOT BETWEEN {PHONE_DIGITS[0]} AND {PHONE_DIGITS[1]}"
)
# As the pattern of a single change says it; blanks beyond ASCII are looked for only where there are any.
_BLANKS = "\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))
_FAULTS["email"] += (
    r""" OR email COLLATE "C" !~ '^[^@\s]+@[^@\s]+\.[^@\s.]+$'"""
    f" OR (octet_length(email) > length(email) AND translate(email, '{_BLANKS}', '') <> email)"
)
# ISO dates are in the order of their text.
_FAULTS["birth_date"] += f" OR (birth_date BETWEEN '{OLDEST_YEAR}-01-01' AND {_TODAY}) IS NOT TRUE"
_FAULTS["death_or_missing_date"] += (
    " OR (coalesce(life_status, 'ALIVE') = 'ALIVE') <> (death_or_missing_date IS NULL)"
    f" OR death_or_missing_date NOT BETWEEN birth_date AND {_TODAY}"
)
for _begin, _end in (("temporary_since", "temporary_until"), ("absence_from", "absence_until")):
    # Some registers write "until further notice" as the last day of the calendar, after which there is none.
    _FAULTS[_end] += f" OR {_end} < {_begin} OR {_end} > '{_LAST_YEAR}-12-31'"
for _of in ("mother", "father", "spouse"):
    _FAULTS[f"{_of}_personal_id"] += f" OR personal_id = {_of}_personal_id"
"""What keeps a line out, by the column that is to be mended."""
_VALID = " AND ".join(f"({fault}) IS NOT TRUE" for fault in _FAULTS.values())
_WHICH = " ".join(f"WHEN {fault} THEN '{name}'" for name, fault in _FAULTS.items())
_REJECTED = f"""
    SELECT n, field FROM (
        SELECT row_number() OVER (ORDER BY person_id) AS n, CASE {_WHICH} END AS field FROM staged_persons
    ) staged WHERE field IS NOT NULL ORDER BY n
"""  # noqa: S608 - names of columns are constants of the layout
_WRONG_STRUCTURE = """
    get_byte(personal_id::bytea, 3) - 48
        IS DISTINCT FROM 2 * (date_part('year', birth_date::date)::int / 100 - 19) + (sex = 'FEMALE')::int
    OR substr(personal_id, 5, 2) <> to_char(birth_date::date, 'YY')
    OR substr(personal_id, 1, 3) <> ALL ($2)
"""
_NAMES = frozenset({"surname", "middle_name", "given_name"})


def _value(name: str) -> str:
    if name in _DEFAULTS:
        return f"coalesce({name}, {_DEFAULTS[name]})"
    if name in _NAMES:
        return f"nullif(btrim({name}), '')"
    return f"{name}::date" if name in _DATES else name


_VALUES = ", ".join(map(_value, _PERSON))
_MOVE = f"""
    WITH valid AS MATERIALIZED (
        SELECT *, $3 AND ({circles.DOUBTFUL}) AS doubtful FROM staged_persons WHERE {_VALID}
    ),
    moved AS (
        INSERT INTO persons ({", ".join(_PERSON)}, person_id, source)
        SELECT {_VALUES}, v.person_id, $1 FROM valid v
        WHERE NOT v.doubtful
            AND NOT EXISTS (SELECT 1 FROM former_personal_ids f WHERE f.personal_id = v.personal_id)
        ORDER BY v.personal_id
        ON CONFLICT (personal_id) DO NOTHING
        RETURNING person_id
    ),
    related AS (
        INSERT INTO relationships (personal_id, relation, related_personal_id, related_name, source)
        SELECT v.personal_id, r.relation, coalesce(f.superseded_by, r.related_personal_id), r.related_name, $1
        FROM valid v JOIN moved USING (person_id)
        CROSS JOIN LATERAL (VALUES
            ('MOTHER', v.mother_personal_id, v.mother_name),
            ('FATHER', v.father_personal_id, v.father_name),
            ('SPOUSE', v.spouse_personal_id, NULL)
        ) AS r (relation, related_personal_id, related_name)
        LEFT JOIN former_personal_ids f ON f.personal_id = r.related_personal_id
        WHERE (r.related_personal_id IS NOT NULL OR r.related_name IS NOT NULL)
            AND f.superseded_by IS DISTINCT FROM v.personal_id
        ON CONFLICT DO NOTHING
    )
    SELECT
        (SELECT count(*) FROM staged_persons) AS lines,
        (SELECT count(*) FROM valid) AS valid,
        (SELECT count(*) FROM valid WHERE doubtful) AS doubtful,
        (SELECT count(*) FROM moved) AS inserted,
        (SELECT count(*) FROM valid WHERE NOT doubtful AND ({_WRONG_STRUCTURE})) AS wrong_structure
"""  # noqa: S608 - names of columns are constants of the layout
# A person who was changed since is compared with nothing: the file was right when it was written.
_SOMEBODY_ELSES = f"""
    SELECT n, line, 'personal_id' AS field FROM (
        SELECT row_number() OVER (ORDER BY person_id) AS n, line, personal_id, birth_date, sex, given_name,
            {_VALID} AND NOT ($1 AND ({circles.DOUBTFUL})) AS fits
        FROM staged_persons
    ) v JOIN persons p USING (personal_id)
    WHERE v.fits AND p.version = 1
        AND (to_char(p.birth_date, 'YYYY-MM-DD'), p.sex, lower(p.given_name))
            IS DISTINCT FROM (v.birth_date, v.sex, lower(btrim(v.given_name)))
    ORDER BY n
"""  # noqa: S608 - the same
_COUNT = """
    UPDATE imports SET lines = lines + $2, inserted = inserted + $3, existing = existing + $4,
        rejected = rejected + $5, wrong_structure = wrong_structure + $6,
        progressed_at = clock_timestamp()
    WHERE id = $1
"""


async def prepare_connection(connection: asyncpg.Connection) -> None:
    """Make this connection's temporary tables."""
    await connection.execute(_CREATE)
    await circles.prepare(connection)


_TO_SEAL = (
    "SELECT person_id, religion, blood_group FROM staged_persons"
    " WHERE religion IS NOT NULL OR blood_group IS NOT NULL"
)
_SEALED = (
    "UPDATE staged_persons s SET religion = g.religion, blood_group = g.blood_group, sealed = true"
    " FROM unnest($1::uuid[], $2::text[], $3::text[]) AS g (person_id, religion, blood_group)"
    " WHERE s.person_id = g.person_id"
)
_SENSITIVE_COLUMNS = tuple(c for c in PERSON_COLUMNS if c.name in SENSITIVE)
_CONTROL = re.compile(r"[\x01-\x1f\x7f]")


def _fits(value: str | None, column: Column) -> bool:
    if value is None:
        return True
    if column.one_of:
        return value in column.one_of
    return len(value) <= column.most and _CONTROL.search(value) is None


async def _seal(connection: asyncpg.Connection, keys: Keyring) -> None:
    """Seal the sensitive columns before they reach a table that stays; what is no value becomes empty."""
    rows = []
    for row in await connection.fetch(_TO_SEAL):
        given = {c.name: row[c.name] if _fits(row[c.name], c) else "" for c in _SENSITIVE_COLUMNS}
        fitting = {name: value for name, value in given.items() if value != ""}
        rows.append({**given, **keys.sealed(fitting, row["person_id"]), "person_id": row["person_id"]})
    if rows:
        columns = ("person_id", *SENSITIVE)
        await connection.execute(_SEALED, *([row[c] for row in rows] for c in columns))


@dataclass(frozen=True, slots=True)
class Settled:
    """What of a chunk was not loaded: records, counted from 1, or lines of the file."""

    rejected: list[tuple[int, str]]
    """Which one, and the column that is to be mended."""
    set_aside: list[int] = field(default_factory=list)
    """What is loaded last, as it may close a circle of parents."""


async def load_chunk(
    connection: asyncpg.Connection,
    import_id: UUID,
    source: str,
    header: Sequence[str],
    chunk: bytes,
    *,
    keys: Keyring = NO_KEYS,
    odd: int = 0,
) -> Settled:
    """Load whole lines in one transaction; return the records that are not loaded.

    `odd` ones were left out before and are counted as rejected. Persons are inserted in the order of their
    numbers: two chunks that both hold some of the same people wait for each other one way only.

    Raises:
        ImportRefused: a line has another form than its header says.
    """
    try:
        async with connection.transaction():
            await connection.copy_to_table(
                "staged_persons",
                source=_Once(chunk),
                columns=list(header),
                format="csv",
                encoding="utf-8",
                force_null=list(header),
            )
            if keys.current is not None and not set(SENSITIVE).isdisjoint(header):
                await _seal(connection, keys)
            row = await _moved(connection, source, look_for_circles=True)
            aside = await circles.set_aside(connection, _VALID) if row["doubtful"] else []
            # Their ids were made one after the other, so they tell the order also after sealing.
            faulty = await connection.fetch(_REJECTED) if row["lines"] > row["valid"] else []
            existing = row["valid"] - row["doubtful"] - row["inserted"]
            elses = await _somebody_elses(connection, look_for_circles=True) if existing else []
            found = sorted((record["n"], record["field"]) for record in (*faulty, *elses))
            counts = (row["inserted"], existing - len(elses), len(found) + odd, row["wrong_structure"])
            await connection.execute(_COUNT, import_id, row["lines"] - len(aside) + odd, *counts)
            return Settled(found, aside)
    except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
        raise ImportRefused(f"{type(error).__name__} in {_place(error)}") from None


async def load_set_aside(connection: asyncpg.Connection, import_id: UUID, source: str) -> Settled | None:
    """Load a batch of what was set aside; return the lines that are not loaded, None when none is left."""
    async with connection.transaction():
        closing = await circles.stage(connection)
        row = await _moved(connection, source, look_for_circles=False)
        if not row["lines"] and not closing:
            return None
        existing = row["valid"] - row["inserted"]
        elses = await _somebody_elses(connection, look_for_circles=False) if existing else []
        found = sorted([*closing, *((record["line"], record["field"]) for record in elses)])
        counts = (row["inserted"], existing - len(elses), len(found), row["wrong_structure"])
        await connection.execute(_COUNT, import_id, row["lines"] + len(closing), *counts)
        return Settled(found)


async def _moved(connection: asyncpg.Connection, source: str, *, look_for_circles: bool) -> asyncpg.Record:
    """Move what is staged; with `look_for_circles` but for what may close a circle of parents."""
    # The planner knows nothing of the staged lines and would compare each one with each new person.
    await connection.execute("SET LOCAL enable_nestloop = off")
    row = await connection.fetchrow(_MOVE, source, sorted(known_place_codes()), look_for_circles)
    if row is None:
        raise ImportRefused("the load gave no counts")
    return row


async def _somebody_elses(
    connection: asyncpg.Connection, *, look_for_circles: bool
) -> Sequence[asyncpg.Record]:
    """Return which of the lines that were to be moved have the number of another person."""
    rows: list[asyncpg.Record] = await connection.fetch(_SOMEBODY_ELSES, look_for_circles)
    return rows


def _place(error: asyncpg.PostgresError) -> str:
    # The context also quotes the value, which may be personal data: only the place is kept.
    found = re.search(r"line (\d+)(?:, column (\w+))?", getattr(error, "context", None) or "")
    return f"line {found[1]} of a chunk, column {found[2] or '?'}" if found else "an unknown line"


async def refresh_statistics(connection: asyncpg.Connection) -> None:
    """Tell the planner about the new rows, by the columns that are searched: all 40 take seconds more."""
    await connection.execute(
        "ANALYZE persons (personal_id, person_id, household_number, birth_date, sex),"
        " relationships (personal_id, relation, related_personal_id)"
    )


class _Once:
    """The chunk as the asynchronous iterator that asyncpg takes."""

    def __init__(self, chunk: bytes) -> None:
        self._left: bytes | None = chunk

    def __aiter__(self) -> "_Once":
        return self

    async def __anext__(self) -> bytes:
        if self._left is None:
            raise StopAsyncIteration
        chunk, self._left = self._left, None
        return chunk
