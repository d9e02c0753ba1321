"""Commands of agencies: see what may be called, call."""

import json
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from ndx_contracts.purposes import Purpose

from ndx_client.completion import names_of
from ndx_client.errors import NotConfigured
from ndx_client.proofs import read_signing_key
from ndx_client.terminal import EXIT_REFUSED, session_of, show, show_rows

ServiceName = Annotated[
    str, typer.Argument(help="Name of a service: population.", autocompletion=names_of("service"))
]


def allowed(context: typer.Context) -> None:
    """List what you may call now, under which agreement, for which purposes, and how much is left."""
    session = session_of(context)
    items = [found.model_dump() for found in session.client().allowed()]
    columns = (
        "operation",
        "method",
        "path",
        "purposes",
        "field_groups",
        "agreement",
        "valid_until",
        "cost",
        "per_second",
        "per_day",
        "left_today",
        "left_this_month",
    )
    show_rows(session, items, columns)


def services(context: typer.Context) -> None:
    """List the services on the exchange."""
    session = session_of(context)
    show_rows(session, session.client().call("GET /v1/services").json()["items"], ("service", "title"))


def operations(context: typer.Context, service: ServiceName) -> None:
    """List the operations of a service."""
    session = session_of(context)
    reply = session.client().call("GET /v1/services/{name}/operations", path={"name": service})
    columns = ("operation", "method", "path", "door", "personal_data", "field_groups")
    show_rows(session, reply.json()["items"], columns)


def openapi(context: typer.Context, service: ServiceName) -> None:
    """Print the OpenAPI document of a service: what of it you may call, and under which agreements."""
    session = session_of(context)
    reply = session.client().call("GET /v1/services/{name}/openapi", path={"name": service})
    typer.echo(json.dumps(reply.json(), ensure_ascii=False, indent=2))


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
    sign: Annotated[Path | None, typer.Option("--sign", help="Your signing key; signs the call.")] = None,
    save: Annotated[Path | None, typer.Option("--save", help="Folder that keeps call and reply.")] = None,
) -> None:
    """Call an operation; the answer goes to standard output, what is about it to standard error."""
    if not path.startswith("/"):
        raise NotConfigured("The path begins with a slash.", "Run: ndx allowed — it shows the paths.")
    client = session_of(context).client()
    client.signing_key = None if sign is None else read_signing_key(sign)
    client.keep_in = save
    started = time.monotonic()
    reply = client.call(
        f"{method} {path}",
        json=read_body(body),
        params=_pairs(query or []) or None,
        purpose=None if purpose is None else purpose.value,
        case_id=case,
        officer=officer,
        idempotency_key=idempotency_key,
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


def explain(  # noqa: PLR0917 - each parameter is an argument or option of the command
    context: typer.Context,
    wanted: Annotated[
        str,
        typer.Argument(
            help="population.get_person, or 'GET /population/v1/persons/…' as you call it.",
            autocompletion=names_of("operation"),
        ),
    ],
    purpose: Annotated[str | None, typer.Option("--purpose", help="For what the data is needed.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="The case that needs it.")] = None,
    officer: Annotated[str | None, typer.Option("--officer", help="The officer who asks.")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="A field group to ask for; may be repeated.")
    ] = None,
    province: Annotated[str | None, typer.Option("--province", help="Where the person lives.")] = None,
    commune: Annotated[str | None, typer.Option("--commune", help="Where the person lives.")] = None,
    at: Annotated[str | None, typer.Option("--at", help="2026-11-24T23:00:00+07:00; now by default.")] = None,
    agency: Annotated[
        str | None, typer.Option("--for", help="H79.001:his; operators ask for any system.")
    ] = None,
) -> None:
    """Say whether a call would be allowed, by which agreement, or why not; nothing is called.

    Leaves exit status 0 when it would be allowed and 1 when it would be refused.
    """
    method, separator, path = wanted.partition(" ")
    body = {
        "operation": None if separator else wanted,
        "method": method.upper() if separator else None,
        "path": path or None,
        "purpose": purpose,
        "case_id": case,
        "officer": officer,
        "field_groups": field or [],
        "province_code": province,
        "commune_code": commune,
        "at": at,
    }
    session = session_of(context)
    if agency is None:
        found = session.client().call("POST /v1/decisions", json=body).json()
    else:
        code, colon, system = agency.partition(":")
        if not colon:
            raise NotConfigured("A system is named with its agency.", "Write --for H79.001:his.")
        members = {"agency": code, "system": system}
        operation = "POST /v1/agencies/{agency}/systems/{system}/decisions"
        found = session.client().call(operation, path=members, json=body).json()
    if session.as_json:
        show(session, found)
    else:
        sys.stdout.write("\n".join(_told(found)) + "\n")
    if not found["allowed"]:
        raise typer.Exit(EXIT_REFUSED)


def _told(found: dict[str, Any]) -> list[str]:
    """Return a decision in lines."""
    refusal, quota = found["refusal"], found["quota"]
    agreement = found["agreement"] and f"{found['agreement']} (version {found['agreement_version']})"
    if refusal is None:
        lines = [f"Allowed: {found['operation']}" + (f" under {agreement}" if agreement else "")]
        if found["field_groups"]:
            lines.append(f"It may give: {', '.join(found['field_groups'])}")
    else:
        lines = [f"Refused: {refusal['status']} {refusal['code']}  {refusal['title']}", refusal["detail"]]
        lines.append(
            f"By the {refusal['refused_by'].lower()}" + (f", under {agreement}" if agreement else "")
        )
        lines += [f"Next: {refusal['remedy']}", f"Who can help: {refusal['who_can_help']}"]
    if quota is not None:
        amounts = {name.replace("_", " "): value for name, value in quota.items() if value is not None}
        lines.append("Quota: " + ", ".join(f"{value} {name}" for name, value in amounts.items()))
    if found["still_to_be_checked"]:
        lines.append(f"Only the call itself will show: {', '.join(found['still_to_be_checked'])}")
    return lines
