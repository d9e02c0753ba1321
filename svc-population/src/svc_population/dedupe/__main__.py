"""Command `python -m svc_population.dedupe run --officer CA-7 --case HS-1`: search for duplicates once."""

import argparse
import asyncio
import sys
from pathlib import Path

import asyncpg
from ndx_chassis.db import make_engine, make_sessions

from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.model import load_model
from svc_population.dedupe.service import Asked, Found, find_duplicates
from svc_population.dedupe.vocabulary import EngineName
from svc_population.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="population dedupe")
    steps = parser.add_subparsers(dest="step", required=True)
    run = steps.add_parser("run", help="compare everybody and open cases; after a kill, run it again")
    run.add_argument("--officer", required=True, help="who runs it; stands in the audit entries")
    run.add_argument("--case", required=True, help="the dossier that it belongs to")
    run.add_argument("--model", type=Path, help="a model file; the service's own when missing")
    run.add_argument("--engine", type=EngineName, choices=list(EngineName), default=EngineName.DUCKDB)
    run.add_argument("--memory", default="4GB", help="how much of it DuckDB may use")
    run.add_argument("--threads", type=int, help="of DuckDB; all cores when missing")
    run.add_argument("--master", default="local[*]", help="Spark's master")
    return parser


async def _run(asked: Asked, model_file: Path | None) -> Found:
    settings = Settings()
    engine = make_engine(settings)
    try:
        return await find_duplicates(
            make_sessions(engine),
            settings.asyncpg_dsn,
            settings.dedupe_folder,
            reading_from=settings.reading_dsn,
            model=load_model(model_file),
            asked=asked,
        )
    finally:
        await engine.dispose()


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = _parser().parse_args(arguments)
    asked = Asked(
        given.officer,
        given.case,
        given.engine,
        given.memory,
        given.threads or Asked("", "").threads,
        given.master,
    )
    try:
        found = asyncio.run(_run(asked, given.model))
    except (DedupeRefused, OSError, ValueError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"population: {error}\n")
        return 1
    sys.stdout.write(f"population: {found}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
