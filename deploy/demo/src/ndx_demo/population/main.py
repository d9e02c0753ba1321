"""Command line: write synthetic people as a CSV file, as many as wanted, streaming."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from ndx_demo.population.people import TooFew
from ndx_demo.population.rows import lines


def write(
    people: Annotated[int, typer.Argument(help="How many people, at least 1000.")] = 100_000,
    seed: Annotated[int, typer.Option(help="The same seed makes the same people.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Target file; standard output when missing.")] = None,
) -> None:
    """Write a file of synthetic people for the bulk load of the population database."""
    began = time.monotonic()
    sink = sys.stdout if out is None else out.open("w", encoding="utf-8", newline="")

    def report(done: int) -> None:
        if sys.stderr.isatty():
            sys.stderr.write(f"\r{done:,} of {people:,} people, {done / (time.monotonic() - began):,.0f}/s ")

    try:
        for text in lines(people, seed=seed, report=report):
            sink.write(text)
    except TooFew as error:
        sys.stderr.write(f"ndx: {error}\n")
        raise typer.Exit(2) from None
    except BrokenPipeError:
        raise typer.Exit(0) from None
    finally:
        if out is not None:
            sink.close()
    if sys.stderr.isatty():
        sys.stderr.write("\n")


if __name__ == "__main__":
    typer.run(write)
