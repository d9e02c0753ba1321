"""Commands of agencies: see what may be called, call."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from ndx_contracts.purposes import Purpose

from ndx_client.errors import NotConfigured
from ndx_client.terminal import session_of, show, show_rows


def allowed(context: typer.Context) -> None:
    """List what you may call now, under which agreement, for which purposes."""
    session = session_of(context)
    items = [found.model_dump() for found in session.client().allowed()]
    columns = (
        "operation",
        "method",
        "path",
        "purposes",
        "field_groups",
        "agreement",
        "per_second",
        "per_day",
    )
    show_rows(session, items, columns)


def services(context: typer.Context) -> None:
    """List the services on the exchange."""
    session = session_of(context)
    show_rows(session, session.client().call("GET /v1/services").json()["items"], ("service", "title"))


def operations(
    context: typer.Context, service: Annotated[str, typer.Argument(help="Name of a service: population.")]
) -> None:
    """List the operations of a service."""
    session = session_of(context)
    reply = session.client().call("GET /v1/services/{name}/operations", path={"name": service})
    columns = ("operation", "method", "path", "door", "personal_data", "field_groups")
    show_rows(session, reply.json()["items"], columns)


def read_body(given: str | None) -> Any:
    """Return the JSON body: text, `@file`, or `-` for standard input."""
    if given is None:
        return None
    try:
        if given == "-":
            return json.loads(sys.stdin.read())
        if given.startswith("@"):
            return json.loads(Path(given[1:]).read_text(encoding="utf-8"))
        return json.loads(given)
    except OSError as error:
        raise NotConfigured(f"Cannot read the body: {error.strerror}.", "Check the file's name.") from None
    except ValueError:
        raise NotConfigured("The body is not JSON.", "Check quotes, commas and brackets.") from None


def _pairs(given: list[str]) -> dict[str, str]:
    split = [pair.partition("=") for pair in given]
    if any(not separator for _, separator, _ in split):
        raise NotConfigured("A query option looks like name=value.", "Write --query limit=10.")
    return {name: value for name, _, value in split}


def call(  # noqa: PLR0917 - each parameter is an argument or option of the command
    context: typer.Context,
    method: Annotated[str, typer.Argument(help="GET, POST, PUT, DELETE.")],
    path: Annotated[str, typer.Argument(help="Path at the gateway, such as /population/v1/persons/…")],
    purpose: Annotated[Purpose | None, typer.Option("--purpose", help="For what the data is needed.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="The case that needs it.")] = None,
    officer: Annotated[str | None, typer.Option("--officer", help="The officer who asks.")] = None,
    body: Annotated[str | None, typer.Option("--body", help="JSON, @file, or - for standard input.")] = None,
    query: Annotated[list[str] | None, typer.Option("--query", help="name=value; may be repeated.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="Repeat a POST safely; new by default.")
    ] = None,
) -> None:
    """Call an operation; the answer goes to standard output, what is about it to standard error."""
    if not path.startswith("/"):
        raise NotConfigured("The path begins with a slash.", "Run: ndx allowed — it shows the paths.")
    started = time.monotonic()
    reply = (
        session_of(context)
        .client()
        .call(
            f"{method} {path}",
            json=read_body(body),
            params=_pairs(query or []) or None,
            purpose=None if purpose is None else purpose.value,
            case_id=case,
            officer=officer,
            idempotency_key=idempotency_key,
        )
    )
    about = [f"{reply.status_code}", f"request {reply.headers.get('ndx-request-id', '-')}"]
    about.append(f"{(time.monotonic() - started) * 1000:.0f} ms")
    remaining = reply.headers.get("x-ratelimit-remaining")
    if remaining is not None:
        about.append(f"{remaining} calls left this second")
    sys.stderr.write("  ".join(about) + "\n")
    if "json" in reply.headers.get("content-type", ""):
        show(session_of(context), reply.json())
    else:
        sys.stdout.write(reply.text)
