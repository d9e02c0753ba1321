"""Commands of the population register's operators: the search for one person in two records."""

from typing import Annotated, Any

import typer

from ndx_client.terminal import session_of, show, show_rows

duplicates = typer.Typer(no_args_is_help=True, help="One person in two records: search for them all.")

Run = Annotated[str, typer.Argument(help="Id of the run.")]
_PATH = "/population/v1/dedupe-runs"
_COLUMNS = ("id", "state", "stage", "case_id", "requested_by", "persons", "sure", "review", "opened")


def _step(context: typer.Context, run: str, step: str) -> None:
    session = session_of(context)
    show(session, session.client().call(f"POST {_PATH}/{{run_id}}/{step}", path={"run_id": run}).json())


@duplicates.command("request")
def request_run(
    context: typer.Context,
    case: Annotated[str, typer.Option("--case", help="The dossier that it belongs to.")],
) -> None:
    """Ask for a search; nothing is read before another operator approves."""
    session = session_of(context)
    show(session, session.client().call(f"POST {_PATH}", json={"case_id": case}).json())


@duplicates.command("approve")
def approve_run(context: typer.Context, run: Run) -> None:
    """Approve what another operator asked for: a worker does it."""
    _step(context, run, "approve")


@duplicates.command("cancel")
def cancel_run(context: typer.Context, run: Run) -> None:
    """Stop a run; cases that it opened stay."""
    _step(context, run, "cancel")


@duplicates.command("list")
def list_runs(context: typer.Context) -> None:
    """List runs, the newest first."""
    session = session_of(context)
    show_rows(session, session.client().pages(f"GET {_PATH}"), _COLUMNS)


@duplicates.command("show")
def show_run(context: typer.Context, run: Run) -> None:
    """Show how far a run is and what came out: pairs by zone and rule, cases, model."""
    session = session_of(context)
    found: Any = session.client().call(f"GET {_PATH}/{{run_id}}", path={"run_id": run}).json()
    show(session, found)
