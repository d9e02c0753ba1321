"""Command `python -m svc_population.imports.changes apply FILE --agency G01`: apply a daily change file."""

import argparse
import asyncio
import sys
from pathlib import Path
from uuid import UUID

import asyncpg
from ndx_chassis.db import make_engine, make_sessions
from sqlalchemy.exc import DBAPIError

from svc_population.imports.changing import Applied, apply_changes, errors_of
from svc_population.imports.errors import ImportRefused
from svc_population.persons.errors import SensitiveKeyMissing
from svc_population.persons.sealing import Keyring
from svc_population.persons.service import KEYRING
from svc_population.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="population changes")
    steps = parser.add_subparsers(dest="step", required=True)
    apply = steps.add_parser("apply", help="apply a file; after a kill, run it again")
    apply.add_argument("file", type=Path)
    apply.add_argument("--agency", required=True, help="whose file it is; the table of sources decides")
    apply.add_argument("--sha256", help="digest of the file as it was sent")
    errors = steps.add_parser("errors", help="list the changes of a file that were refused, as CSV")
    errors.add_argument("id", type=UUID)
    return parser


async def _apply(file: Path, agency: str, sha256: str | None) -> Applied:
    settings = Settings()
    engine = make_engine(settings)
    try:
        sessions = make_sessions(engine)
        sessions.configure(info={KEYRING: Keyring.of_file(settings.sensitive_key_file)})
        return await apply_changes(sessions, file, agency=agency, sha256=sha256)
    finally:
        await engine.dispose()


async def _errors(file_id: UUID) -> list[str]:
    engine = make_engine(Settings())
    try:
        async with make_sessions(engine)() as session:
            return [f"{n},{code},{field or ''}" for n, code, field in await errors_of(session, file_id)]
    finally:
        await engine.dispose()


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0 also when some changes were refused: they are listed by `errors`."""
    asked = _parser().parse_args(arguments)
    try:
        if asked.step == "errors":
            sys.stdout.write("\n".join(["number,code,field", *asyncio.run(_errors(asked.id))]) + "\n")
            return 0
        done = asyncio.run(_apply(asked.file, asked.agency, asked.sha256))
    except (ImportRefused, SensitiveKeyMissing, OSError) as error:
        sys.stderr.write(f"population: {error}\n")
        return 1
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Its own words may quote a row; what it was about says nothing of anybody.
        cause = error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
        name = type(cause or error).__name__
        sys.stderr.write(f"population: the database ended the work ({name}): run it again\n")
        return 1
    sys.stdout.write(f"population: {done}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
