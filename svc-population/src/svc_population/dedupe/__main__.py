"""Command `python -m svc_population.dedupe`: `run` a search, `work` on approved ones, `train` a model."""

import argparse
import asyncio
import json
import sys
from dataclasses import replace
from pathlib import Path

import asyncpg
from ndx_chassis.db import make_engine, make_sessions
from sqlalchemy.exc import DBAPIError

from svc_population.dedupe.errors import DedupeRefused
from svc_population.dedupe.model import Model, load_model
from svc_population.dedupe.training import train
from svc_population.dedupe.vocabulary import EngineName
from svc_population.dedupe.working import Asked, Found, Place, all_cores, find_duplicates, work
from svc_population.settings import Settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="population dedupe")
    steps = parser.add_subparsers(dest="step", required=True)
    run = steps.add_parser("run", help="compare everybody and open cases; after a kill it goes on")
    worker = steps.add_parser("work", help="do what operators approved, and what was killed; run by a timer")
    train = steps.add_parser(
        "train", help="write a model with what strangers have in common in this register"
    )
    for step in (run, train):
        step.add_argument("--officer", required=True, help="who runs it; stands in the audit entries")
        step.add_argument("--case", required=True, help="the dossier that it belongs to")
    for step in (run, worker, train):
        step.add_argument("--model", type=Path, help="a model file; the service's own when missing")
        step.add_argument("--memory", default="4GB", help="how much of it DuckDB may use")
        step.add_argument("--threads", type=int, help="of DuckDB; all cores when missing")
    train.add_argument("--em", action="store_true", help="learn m as well, from records that share a number")
    train.add_argument("--out", type=Path, required=True, help="the file to write")
    for step in (run, worker):
        step.add_argument("--engine", type=EngineName, choices=list(EngineName), default=EngineName.DUCKDB)
        step.add_argument("--master", default="local[*]", help="Spark's master")
    return parser


async def _run(given: argparse.Namespace) -> Found | Model | None:
    settings, model = Settings(), load_model(given.model)
    officer, case_id = getattr(given, "officer", ""), getattr(given, "case", "")
    asked = Asked(officer, case_id, memory=given.memory, threads=given.threads or all_cores())
    engine = make_engine(settings)
    place = Place(make_sessions(engine), settings.asyncpg_dsn, settings.dedupe_folder, settings.reading_dsn)
    try:
        if given.step == "train":
            return await train(place, model=model, asked=asked, learns=given.em)
        asked = replace(asked, engine=given.engine, master=given.master)
        return await (find_duplicates if given.step == "run" else work)(place, model=model, asked=asked)
    finally:
        await engine.dispose()


def main(arguments: list[str] | None = None) -> int:
    """Run the command."""
    given = _parser().parse_args(arguments)
    try:
        found = asyncio.run(_run(given))
        told = str(found)
        if found is None:
            told = "nothing to do"
        if isinstance(found, Model):
            text = json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1)
            given.out.write_text(text + "\n", encoding="utf-8")
            told = f"model {found.version} is in {given.out}"
    except (DedupeRefused, OSError, ValueError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"population: {error}\n")
        return 1
    except DBAPIError as error:
        # Its own words hold what was sent.
        sys.stderr.write(f"population: {type(error.orig).__name__}; run it again, it goes on where it was\n")
        return 1
    sys.stdout.write(f"population: {told}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
