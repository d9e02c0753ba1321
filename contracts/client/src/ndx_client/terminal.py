"""What the commands share: settings from options and environment, clear errors, tables or JSON."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from ndx_client.client import NdxClient
from ndx_client.completion import remember
from ndx_client.errors import ClientError, NotConfigured, Refused

EXIT_REFUSED = 1
EXIT_NOT_CONFIGURED = 2
EXIT_NO_ANSWER = 3


@dataclass(slots=True)
class Session:
    """One run of the command line: where to call, as whom, and how to print."""

    gateway: str
    citizen: str
    cert: Path | None
    key: Path | None
    ca: Path | None
    as_json: bool
    _client: NdxClient | None = field(default=None)

    def client(self) -> NdxClient:
        """Return the client with the caller's certificate."""
        if self._client is None:
            if self.cert is None or self.key is None:
                raise NotConfigured(
                    "This needs a certificate and its key.",
                    "Set NDX_CERT and NDX_KEY; ndx enrol makes both for an agency's system.",
                )
            self._client = NdxClient(self.gateway, self.cert, self.key, self.ca)
        return self._client

    def close(self) -> None:
        """Close what was opened."""
        if self._client is not None:
            self._client.close()

    def public_client(self) -> NdxClient:
        """Return a client without a certificate, at the citizen door."""
        return NdxClient(self.citizen, ca=self.ca)


def session_of(context: typer.Context) -> Session:
    found = context.find_object(Session)
    if found is None:
        raise NotConfigured("The command has no settings.", "Start it as ndx.")
    return found


class ClearErrors(TyperGroup):
    """Shows a client error as two sentences, cause and next step, instead of a stack trace."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ClientError as error:
            show_error(error)
            raise typer.Exit(_exit_code(error)) from None


def _exit_code(error: ClientError) -> int:
    if isinstance(error, Refused):
        return EXIT_REFUSED
    return EXIT_NOT_CONFIGURED if isinstance(error, NotConfigured) else EXIT_NO_ANSWER


def show_error(error: ClientError) -> None:
    """Write the error to standard error."""
    out = Console(stderr=True, highlight=False, soft_wrap=True)
    if isinstance(error, Refused):
        problem = error.problem
        out.print(f"{problem.status} {problem.code}  {problem.title}", style="bold red", markup=False)
        out.print(problem.detail, markup=False)
        for item in error.errors:
            out.print(f"  {item.field}: {item.detail}", markup=False)
        if error.retry_after is not None:
            out.print(f"Wait {error.retry_after} s.", markup=False)
        out.print(
            f"request {problem.instance.rsplit(':', 1)[-1]}  trace {problem.trace_id or '-'}", markup=False
        )
    else:
        out.print(str(error), style="bold red", markup=False)
    if error.advice:
        out.print(f"Next: {error.advice}", markup=False)


def show(session: Session, document: Any) -> None:
    """Write one answer to standard output as indented JSON."""
    del session  # tables and JSON show a single document alike
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def show_rows(session: Session, items: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Write a list as a table, or whole as JSON with `--json`."""
    rows = list(items)
    if sys.stdout.isatty():
        remember(session.gateway, rows)
    if session.as_json:
        show(session, rows)
        return
    if not rows:
        sys.stderr.write("Nothing.\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    # Without a terminal the table is as wide as its content, so that grep and cut work.
    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=400)
    console.print(table, markup=False)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(str(v) for v in value)
    return str(value)
