"""Command `python -m svc_population.persons.resealing`: seal every sensitive value with the current key.

Goes through the tables that hold sensitive columns in the order of their keys, a batch in a transaction with
the position it reached, so that a run that was killed goes on where it was; one after a finished run looks at
everything again, as a process may have written with a former key meanwhile. A value that somebody changes
meanwhile is left as they wrote it, which is with the current key. Run it after a new key was made the current
one in all processes, and once after the first key was put in place; a key that nothing is sealed with can go.
With `--keys` it only tells which keys the values of this database need, and ends with 1 when one is not in
the file: ask it after a backup was restored.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from svc_population.persons.errors import SensitiveKeyMissing
from svc_population.persons.sealing import SENSITIVE, Keyring
from svc_population.settings import Settings

BATCH = 1000
_OPEN = (
    "INSERT INTO resealings (key_id, part) VALUES ($1, $2) ON CONFLICT (key_id, part) DO UPDATE"
    " SET key_id = resealings.key_id RETURNING position, finished_at IS NOT NULL AS finished"
)
_AGAIN = (
    "UPDATE resealings SET position = NULL, finished_at = NULL WHERE key_id = $1"
    " AND (SELECT count(*) = $2 FROM resealings WHERE key_id = $1 AND finished_at IS NOT NULL)"
)
_MOVE = "UPDATE resealings SET position = $3, resealed = resealed + $4 WHERE key_id = $1 AND part = $2"
_CLOSE = "UPDATE resealings SET finished_at = clock_timestamp() WHERE key_id = $1 AND part = $2"
_BEGINNING = {
    "persons": "",
    "person_history": "00000000-0000-0000-0000-000000000000:0",
    "person_mergers": "00000000-0000-0000-0000-000000000000",
}
_PERSONS = (
    "SELECT personal_id, person_id, religion, blood_group FROM persons"
    " WHERE personal_id > $1 ORDER BY personal_id LIMIT $2"
)
_HISTORY = (
    "SELECT person_id, version, before::text AS before FROM person_history"
    " WHERE (person_id, version) > ($1, $2) ORDER BY person_id, version LIMIT $3"
)
_MERGERS = "SELECT id, person_id, kept::text AS kept FROM person_mergers WHERE id > $1 ORDER BY id LIMIT $2"
# Nobody may change the history, not even this service: the right is there for the time of one statement.
_UNLOCK = "GRANT UPDATE (before) ON person_history TO CURRENT_USER"
_LOCK = "REVOKE UPDATE (before) ON person_history FROM CURRENT_USER"

_PARTS = ("before", "after", "duplicate")
_VALUES = " UNION ALL ".join(
    (
        *(f"SELECT {c} AS value FROM persons" for c in SENSITIVE),  # noqa: S608 - one of two names
        *(f"SELECT before->>'{c}' FROM person_history" for c in SENSITIVE),  # noqa: S608 - the same
        *(f"SELECT kept->'{p}'->>'{c}' FROM person_mergers" for p in _PARTS for c in SENSITIVE),  # noqa: S608 - the same
    )
)
_KEYS = (
    "SELECT split_part(value, ':', 2) AS key_id, count(*) AS sealed"  # noqa: S608 - the same
    f" FROM ({_VALUES}) held WHERE value LIKE 'enc1:%' GROUP BY 1 ORDER BY 1"
)

_Reached = tuple[str, int]
"""Position after a batch, and how many values were sealed anew."""


async def reseal(dsn: str, keys: Keyring, *, batch: int = BATCH) -> dict[str, int]:
    """Seal what is not sealed with the current key; return how many values of each table were.

    Raises:
        SensitiveKeyMissing: there is no current key, or a value's key is not in the file.
    """
    if keys.current is None:
        raise SensitiveKeyMissing("No key is set: POPULATION_SENSITIVE_KEY_FILE.")
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(_AGAIN, keys.current, len(_BEGINNING))
        return {part: await _part(connection, keys, part, batch) for part in _BEGINNING}
    finally:
        await connection.close()


async def keys_needed(dsn: str) -> dict[str, int]:
    """Return how many values are sealed with each key, by its id; reads whole tables."""
    connection = await asyncpg.connect(dsn)
    try:
        return {row["key_id"]: row["sealed"] for row in await connection.fetch(_KEYS)}
    finally:
        await connection.close()


async def _part(connection: asyncpg.Connection, keys: Keyring, part: str, batch: int) -> int:
    steps = {"persons": _persons, "person_history": _history, "person_mergers": _mergers}
    row = await connection.fetchrow(_OPEN, keys.current, part)
    if row is None or row["finished"]:
        return 0
    position = row["position"] or _BEGINNING[part]
    done = 0
    while True:
        async with connection.transaction():
            reached = await steps[part](connection, keys, position, batch)
            if reached is None:
                await connection.execute(_CLOSE, keys.current, part)
                return done
            position = reached[0]
            done += reached[1]
            await connection.execute(_MOVE, keys.current, part, *reached)


async def _persons(
    connection: asyncpg.Connection, keys: Keyring, position: str, batch: int
) -> _Reached | None:
    rows = await connection.fetch(_PERSONS, position, batch)
    number = 0
    for row in rows:
        for column, value in keys.resealed(dict(row), row["person_id"]).items():
            told = await connection.execute(
                f"UPDATE persons SET {column} = $3 WHERE personal_id = $1 AND {column} = $2",  # noqa: S608 - one of two names
                row["personal_id"],
                row[column],
                value,
            )
            number += told.endswith(" 1")
    return (rows[-1]["personal_id"], number) if rows else None


async def _history(
    connection: asyncpg.Connection, keys: Keyring, position: str, batch: int
) -> _Reached | None:
    person_id, _, version = position.partition(":")
    rows = await connection.fetch(_HISTORY, UUID(person_id), int(version), batch)
    news = [
        (row["person_id"], row["version"], orjson.dumps({**before, **sealed}).decode(), len(sealed))
        for row in rows
        for before in [orjson.loads(row["before"])]
        if (sealed := keys.resealed(before, row["person_id"]))
    ]
    if news:
        await connection.execute(_UNLOCK)
        await connection.executemany(
            "UPDATE person_history SET before = $3::text::jsonb WHERE person_id = $1 AND version = $2",
            [new[:3] for new in news],
        )
        await connection.execute(_LOCK)
    if not rows:
        return None
    return f"{rows[-1]['person_id']}:{rows[-1]['version']}", sum(new[3] for new in news)


async def _mergers(
    connection: asyncpg.Connection, keys: Keyring, position: str, batch: int
) -> _Reached | None:
    rows = await connection.fetch(_MERGERS, UUID(position), batch)
    number = 0
    for row in rows:
        kept = orjson.loads(row["kept"] or "{}")
        sealed = {
            part: keys.resealed(values, _owner(part, values, row["person_id"]))
            for part in _PARTS
            if (values := kept.get(part))
        }
        if any(sealed.values()):
            news = {**kept, **{part: {**kept[part], **new} for part, new in sealed.items()}}
            await connection.execute(
                "UPDATE person_mergers SET kept = $2::text::jsonb WHERE id = $1 AND kept = $3::text::jsonb",
                row["id"],
                orjson.dumps(news).decode(),
                row["kept"],
            )
            number += sum(len(new) for new in sealed.values())
    return (str(rows[-1]["id"]), number) if rows else None


def _owner(part: str, values: Mapping[str, Any], survivor: UUID) -> UUID:
    return UUID(values["person_id"]) if part == "duplicate" else survivor


def main(arguments: list[str]) -> int:
    """Run the command with the service's own settings."""
    if arguments not in ([], ["--keys"]):
        sys.stderr.write("usage: python -m svc_population.persons.resealing [--keys]\n")
        return 2
    settings = Settings()
    try:
        keys = Keyring.of_file(settings.sensitive_key_file)
        if arguments:
            return _tell(asyncio.run(keys_needed(settings.asyncpg_dsn)), keys)
        done = asyncio.run(reseal(settings.asyncpg_dsn, keys))
    except (SensitiveKeyMissing, OSError) as error:
        sys.stderr.write(f"population: {error}\n")
        return 1
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Its own words may quote a row.
        sys.stderr.write(f"population: the database ended the work ({type(error).__name__}): run it again\n")
        return 1
    words = ", ".join(f"{part} {number}" for part, number in done.items())
    sys.stdout.write(f"population: sealed anew with key {keys.current}: {words} ({', '.join(SENSITIVE)})\n")
    return 0


def _tell(needed: dict[str, int], keys: Keyring) -> int:
    sys.stdout.write("key,values,in_file\n")
    for key_id, number in needed.items():
        sys.stdout.write(f"{key_id},{number},{'yes' if key_id in keys.keys else 'no'}\n")
    return int(not needed.keys() <= keys.keys.keys())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
