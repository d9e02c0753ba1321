"""`make demo`: starts everything, loads synthetic people, enrols the agencies and runs the main walk."""

import json
import shlex
import sys
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import asyncpg
import httpx
import typer
from ndx_client.citizen import LoginRefused
from ndx_local.config import log_folder
from ndx_local.errors import StackError
from ndx_local.stack import Stack, alone
from rich.console import Console
from svc_population.imports.errors import ImportRefused

from ndx_demo import walk
from ndx_demo.door import StepFailed
from ndx_demo.enrolment import Credentials, Enrolment, enrol
from ndx_demo.loading import load_population
from ndx_demo.walk.family import HOLDER_FILE

_SAID = (StackError, StepFailed, LoginRefused, ImportRefused, asyncpg.PostgresError, httpx.HTTPError, OSError)
"""Failures whose own words say what went wrong."""
_DEMO = """\
demo() {  # demo agencies/H79.001-his /v1/allowed-operations [more of curl's options]
  who=$1; url=$NDX_GATEWAY_URL$2; shift 2
  curl -sS --cacert "$NDX_CA" --cert "$DEMO_PKI/$who.crt" --key "$DEMO_PKI/$who.key" "$url" "$@"; echo
}
as() {  # as operators/NDX-an ndx agencies list
  who=$1; shift
  NDX_CERT=$DEMO_PKI/$who.crt NDX_KEY=$DEMO_PKI/$who.key "$@"
}
mother() {  # mother /population/v1/me/disclosures
  python -m ndx_demo.mother "$1"
}
"""
console = Console(highlight=False, soft_wrap=True)


def _print(step: walk.Step) -> None:
    console.print(f"[bold]{step.number:2d}. {step.title}[/bold]")
    console.print(f"    {step.asked} → {step.status} in {step.milliseconds:.0f} ms: {step.outcome}")
    if step.look:
        console.print(f"    look: {step.look}")


def _files(found: dict[str, Credentials]) -> dict[str, dict[str, str]]:
    return {
        name: {"key": str(c.key), "certificate": str(c.certificate), "ca": str(c.ca)}
        for name, c in found.items()
    }


def _load(stack: Stack, persons: int) -> None:
    console.print(
        f"[bold]Making and loading {persons:,} synthetic people[/bold] (half a minute, a busy machine more)"
    )
    console.print(f"  {load_population(stack, persons, console.print)}")


def summary(description: dict[str, Any], enrolment: Enrolment, result: walk.WalkResult) -> dict[str, Any]:
    """Return what anybody needs to go on with curl."""
    return {
        "gateway_url": description["gateway_url"],
        "citizen_url": description["citizen_url"],
        "trace_url": f"{description['trace_url']}traces/{result.trace_id}",
        "steps": [asdict(step) for step in result.steps],
        "agencies": _files(enrolment.systems),
        "operators": _files(enrolment.operators),
        "agreements": enrolment.agreements,
        "ledger": {"bundle": str(result.ledger_bundle), "verifier_key": result.ledger_key},
    }


def shell_settings(stack: Stack, description: dict[str, Any], ca: Path, result: walk.WalkResult) -> str:
    """Return settings for a shell: what `ndx` reads, a curl and any command under a certificate."""
    values = {
        "NDX_GATEWAY_URL": description["gateway_url"],
        "NDX_CITIZEN_URL": description["citizen_url"],
        "NDX_CA": ca,
        "NDX_LEDGER_KEY": result.ledger_key,
        "DEMO_PKI": stack.paths.pki,
        "DEMO_HOLDER": stack.paths.home / HOLDER_FILE,
        "DEMO_CHILD": result.child_personal_id,
        "DEMO_DISCLOSURE": result.disclosure_ids[0] if result.disclosure_ids else "",
        "DEMO_TRACE": f"{description['trace_url']}traces/{result.trace_id}",
    }
    lines = [f"export {name}={shlex.quote(str(value))}\n" for name, value in values.items()]
    path = f"export PATH={shlex.quote(str(Path(sys.executable).parent))}:$PATH\n"
    return "".join(lines) + path + _DEMO


def _leave(stack: Stack, description: dict[str, Any], enrolment: Enrolment, result: walk.WalkResult) -> None:
    ca = enrolment.operators["NDX-an"].ca
    target, settings = stack.paths.home / "summary.json", stack.paths.home / "env"
    target.write_text(
        json.dumps(summary(description, enrolment, result), indent=1, ensure_ascii=False), encoding="utf-8"
    )
    # The child's number is in it: nobody real, but treated as if.
    settings.touch(mode=0o600)
    settings.write_text(shell_settings(stack, description, ca, result), encoding="utf-8")
    console.print("\n[bold]Go on with curl[/bold], as the hospital and as an operator")
    for who, path in (
        (enrolment.systems["H79.001/his"], "/v1/allowed-operations"),
        (enrolment.operators["NDX-an"], "/v1/agreements"),
    ):
        files = f"--cacert {ca} --cert {who.certificate} --key {who.key}"
        console.print(f"  curl {files} {description['gateway_url']}{path}")
    console.print(f"  trace of the birth: {description['trace_url']}traces/{result.trace_id}")
    console.print(f"  the ledger, offline: .venv/bin/ndx ledger verify {result.ledger_bundle}")
    console.print(f"  everything above as data: {target}; as settings of a shell: . {settings}")
    console.print("  stop with: make down")


def _busy(name: str, pid: str) -> None:
    raise StackError(
        f"another demo is running on stack {name} (pid {pid}):"
        " wait for it, or take another stack: make demo STACK=two"
    )


def _run(stack: Stack, persons: int) -> None:
    console.print("[bold]Starting the stack[/bold] (make status, make logs S=population)")
    stack.up(report=lambda words: console.print(f"  {words}"))
    description = stack.description
    _load(stack, persons)
    console.print(
        "[bold]Enrolling agencies[/bold]: keys, certificates, agreements approved by a second person"
        " (half a minute the first time)"
    )
    enrolment = enrol(description["gateway_url"], description["citizen_url"], stack.paths.pki)
    console.print(
        f"  {len(enrolment.systems)} systems, {sum(map(len, enrolment.agreements.values()))} agreements"
    )
    result = walk.run(
        walk.Context(
            gateway_url=description["gateway_url"],
            citizen_url=description["citizen_url"],
            trace_url=description["trace_url"],
            home=stack.paths.home,
            enrolment=enrolment,
            report=_print,
        )
    )
    _leave(stack, description, enrolment, result)


def main(
    stack_name: Annotated[str, typer.Option("--stack", help="Name of the stack.")] = "demo",
    persons: Annotated[int, typer.Option(help="Synthetic people to load.")] = 100_000,
) -> None:
    """Run the demo; the stack stays up. Every failed step ends it with one clear sentence."""
    stack = Stack.open(stack_name)
    try:
        with alone(stack.paths.home / "demo.lock", lambda pid: _busy(stack_name, pid)):
            _run(stack, persons)
    except KeyboardInterrupt:
        left = "stays up (make down stops it)" if stack.status() else "is down"
        sys.stderr.write(f"ndx: interrupted; the stack {left}; make demo goes on\n")
        raise typer.Exit(130) from None
    except _SAID as error:
        sys.stderr.write(
            f"ndx: the demo stopped: {str(error) or type(error).__name__}\n  logs: {stack.paths.logs}\n"
        )
        raise typer.Exit(1) from None
    except Exception as error:  # noqa: BLE001 - nobody at a keyboard is left alone with a stack trace
        log = log_folder(stack.paths) / "demo.log"
        log.write_text(traceback.format_exc())
        sys.stderr.write(
            f"ndx: the demo stopped at an unexpected {type(error).__name__}; where is in {log}\n"
            f"  logs of the parts: {stack.paths.logs}\n"
        )
        raise typer.Exit(1) from None


if __name__ == "__main__":
    typer.run(main)
