"""Command of operators: enrol a whole list of agencies."""

import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from ndx_contracts.agreements import AgencyClass

from ndx_client.enrolment_lists import FAILURES, Row, Wanted, read_list, write_report
from ndx_client.mass_enrolment import MassEnrolment
from ndx_client.terminal import EXIT_REFUSED, session_of

_EVERY_SECONDS = 5.0


class _Progress:
    """Counts rows, says now and then how far it is, and keeps the report on disk."""

    def __init__(self, report: Path, total: int) -> None:
        self.rows: list[Row] = []
        self._report, self._total = report, total
        self._started = self._said = time.monotonic()

    def tell(self, row: Row) -> None:
        self.rows.append(row)
        if row.outcome in FAILURES:
            sys.stderr.write(f"line {row.line}: {row.code or '-'}: {row.outcome}: {row.detail}\n")
        now = time.monotonic()
        if now - self._said >= _EVERY_SECONDS:
            self._said = now
            rate = len(self.rows) / (now - self._started)
            left = (self._total - len(self.rows)) / rate
            sys.stderr.write(f"{len(self.rows)} of {self._total}, {rate:.0f} a second, {left:.0f} s left\n")
            write_report(self._report, self.rows)

    def end(self) -> None:
        write_report(self._report, self.rows)
        counts = Counter(row.outcome for row in self.rows)
        words = ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items()))
        sys.stdout.write(f"{words or 'Nothing'}; see {self._report}\n")


def enrol_agencies(  # noqa: PLR0917 - each parameter is an argument or option of the command
    context: typer.Context,
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV: code, name, name_en, …")],
    out: Annotated[Path, typer.Option("--out", help="Folder for keys and certificates, or for the codes.")],
    agency_class: Annotated[
        AgencyClass | None, typer.Option("--class", help="Class of all of them, where no column says it.")
    ] = None,
    system: Annotated[str, typer.Option("--system", help="Code of each one's system.")] = "his",
    codes_only: Annotated[
        bool, typer.Option("--codes-only", help="Make no keys: write one-time codes to hand out.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option("--report", help="Where each line's result goes; in the folder by default.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=32, help="Requests at one time.")] = 4,
) -> None:
    """Enrol a list of agencies: register each, and get its system a certificate, or a code to hand out.

    Columns: code, name, name_en, and if wanted class, system, parent, province, commune. Run it again after
    an interruption, or with a corrected list: what is done is left as it is. A wrong line hinders no other.
    Leaves exit status 1 when at least one line failed.
    """
    session = session_of(context)
    lines = list(read_list(file, agency_class, system))
    wanted = [line for line in lines if isinstance(line, Wanted)]
    out.mkdir(parents=True, exist_ok=True, mode=0o700)
    progress = _Progress(report or out / "report.csv", len(lines))
    for line in lines:
        if isinstance(line, Row):
            progress.tell(line)
    with session.public_client() as public:
        try:
            MassEnrolment(session.client(), public, out, codes_only, workers).run(wanted, progress.tell)
        finally:
            progress.end()
    if any(row.outcome in FAILURES for row in progress.rows):
        raise typer.Exit(EXIT_REFUSED)
