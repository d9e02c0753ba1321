"""Command line of the embedded stack: up, down, status, logs, restart, dead letters."""

import os
import shlex
import subprocess
import sys
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ndx_local import logs as log_files
from ndx_local.config import service_named
from ndx_local.errors import StackError
from ndx_local.parts import module
from ndx_local.stack import Stack

app = typer.Typer(no_args_is_help=True, add_completion=False, help="The embedded stack of ndx.")
console = Console(highlight=False, soft_wrap=True)
StackName = Annotated[str, typer.Option("--stack", help="Name of the stack.", envvar="NDX_STACK")]


def _fail(error: Exception) -> typer.Exit:
    sys.stderr.write(f"ndx: {error}\n")
    return typer.Exit(1)


@app.command()
def up(
    stack: StackName = "demo",
    only: Annotated[str, typer.Option(help="Only these parts, with what they need.")] = "",
) -> None:
    """Start the stack and wait until every part is ready."""
    try:
        Stack.open(stack).up(
            only=[p for p in only.split(",") if p] or None,
            report=lambda words: console.print(f"  {words}"),
        )
    except (StackError, OSError) as error:
        raise _fail(error) from None
    except KeyboardInterrupt:
        sys.stderr.write(f"ndx: interrupted, and stack {stack} is down; start again to go on\n")
        raise typer.Exit(130) from None
    found = Stack.open(stack).description
    console.print(
        f"gateway {found['gateway_url']}  citizens {found['citizen_url']}  traces {found['trace_url']}"
    )


@app.command()
def down(stack: StackName = "demo") -> None:
    """Stop the stack; nothing stays behind but its data."""
    Stack.open(stack).down()
    console.print(f"stack {stack} is down")


@app.command()
def status(stack: StackName = "demo") -> None:
    """Show each part with its state, process and log."""
    parts = Stack.open(stack).status()
    if not parts:
        console.print(f"stack {stack} does not run; start it with: make up")
        return
    table = Table("part", "state", "pid", "restarts", "last failure", box=None)
    for part in parts:
        row = (part["name"], part["state"], str(part["pid"] or ""), str(part["restarts"]), part["failure"])
        table.add_row(*row)
    console.print(table)
    console.print(f"logs: {Stack.open(stack).paths.logs}")


@app.command()
def logs(
    part: Annotated[str, typer.Argument(help="Name of the part.")],
    stack: StackName = "demo",
    lines: int = 60,
) -> None:
    """Print the end of a part's log."""
    target = Stack.open(stack).paths.log(part)
    if not target.exists():
        raise _fail(StackError(f"there is no log of {part} at {target}"))
    for line in log_files.tail(target, lines):
        sys.stdout.write(line + "\n")


@app.command()
def restart(part: str, stack: StackName = "demo") -> None:
    """Stop and start one part."""
    opened = Stack.open(stack)
    try:
        opened.stop_part(part)
        opened.start_part(part)
    except StackError as error:
        raise _fail(error) from None


@app.command()
def env(
    service: Annotated[str, typer.Argument(help="Name of a service; none for the settings of all.")] = "",
    stack: StackName = "demo",
) -> None:
    """Print the settings of a service, to start it by hand: eval "$(... env population)"."""
    try:
        for name, value in Stack.open(stack).env(service or None).items():
            sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    except StackError as error:
        raise _fail(error) from None


@app.command(name="dead-letters")
def dead_letters(
    service: Annotated[str, typer.Argument(help="Name of a service.")],
    action: Annotated[str, typer.Argument(help="list or replay.")] = "list",
    stack: StackName = "demo",
) -> None:
    """Show what a service could not handle, waiting or dead; or let it try the dead again."""
    try:
        settings = Stack.open(stack).env(service)
    except StackError as error:
        raise _fail(error) from None
    command = module("ndx_chassis.dead_letters", service_named(service).package, action)
    raise typer.Exit(subprocess.run(command, check=False, env={**os.environ, **settings}).returncode)


if __name__ == "__main__":
    app()
