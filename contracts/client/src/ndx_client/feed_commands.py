"""Commands around change feeds: agencies subscribe and follow, operators look after subscriptions."""

import csv
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from ndx_contracts.purposes import Purpose

from ndx_client.errors import NotConfigured
from ndx_client.feeds import PATH, Feed, signing_keys
from ndx_client.receiver import Receiver
from ndx_client.terminal import session_of, show, show_rows

feed = typer.Typer(no_args_is_help=True, help="Follow what happens to the people whom an agreement covers.")
interest = typer.Typer(no_args_is_help=True, help="People in whom you are interested.")
feed.add_typer(interest, name="interest")
subscriptions = typer.Typer(no_args_is_help=True, help="Subscriptions of all agencies to change feeds.")

_AT_A_TIME = 1000
Id = Annotated[str, typer.Argument(help="Id of the subscription; ndx feed list shows yours.")]
People = Annotated[
    str,
    typer.Argument(help="File with one personal ID per line, `,reference` after it if you like; - = stdin."),
]
Since = Annotated[
    datetime,
    typer.Option("--since", formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"], help="From when on: 2026-11-28."),
]
DeadOnly = Annotated[bool, typer.Option("--dead-only", help="Only what was given up.")]
State = Annotated[str | None, typer.Option("--state", help="PENDING, DONE, DEAD, EXPIRED or WITHHELD.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
_SHOWN = ("id", "state", "held_by", "delivery", "agreement", "event_types", "waiting", "dead", "failures")
_STATES = ("cursor", "id", "type", "state", "attempts", "queued_at", "handed_over_at", "error")
_ATTEMPTS = ("attempted_at", "event_id", "status", "error", "duration_ms", "delivered")


def _call(context: typer.Context, operation: str, body: Any = None, **path: str) -> Any:
    return session_of(context).client().call(operation, path=path, json=body).json()


def _step(context: typer.Context, identifier: str, step: str) -> None:
    show(session_of(context), _call(context, f"POST {PATH}/{step}", id=identifier))


@feed.command("types")
def list_types(context: typer.Context) -> None:
    """List what may be followed, and the operation that your agreement must grant for it."""
    session = session_of(context)
    items = session.client().call("GET /v1/feeds/event-types").json()["items"]
    show_rows(session, items, ("type", "title", "says", "operation", "operation_for_everybody", "has_place"))


@feed.command("subscribe")
def subscribe(  # noqa: PLR0917 - each parameter is an argument or option of the command
    context: typer.Context,
    agreement: Annotated[str, typer.Argument(help="Id of the agreement: DSA-B01-2.")],
    purpose: Annotated[Purpose, typer.Option("--purpose", help="For what the data is needed.")],
    types: Annotated[list[str], typer.Option("--type", help="Event type; may be repeated.")],
    everybody: Annotated[
        bool, typer.Option("--everybody", help="All people in the administrative scope.")
    ] = False,
    provinces: Annotated[list[str] | None, typer.Option("--province", help="Only people there.")] = None,
    communes: Annotated[list[str] | None, typer.Option("--commune", help="Only people there.")] = None,
    webhook: Annotated[str | None, typer.Option("--webhook", help="https URL to push events to.")] = None,
    webhook_ca: Annotated[
        Path | None,
        typer.Option("--webhook-ca", exists=True, dir_okay=False, help="CA of the webhook's certificate."),
    ] = None,
    max_attempts: Annotated[int, typer.Option("--max-attempts", help="Until an event is given up.")] = 12,
    first_delay: Annotated[int, typer.Option("--first-delay", help="Seconds of the first pause.")] = 5,
    max_events: Annotated[int, typer.Option("--max-events", help="Of one request; 1 to 100.")] = 1,
    officer: Annotated[str | None, typer.Option("--officer", help="The officer who asks.")] = None,
    case: Annotated[str | None, typer.Option("--case", help="The case that needs it.")] = None,
) -> None:
    """Begin to follow event types under an agreement; by pull, or pushed to a webhook."""
    endpoint = None
    if webhook is not None:
        endpoint = {
            "url": webhook,
            "ca_pem": None if webhook_ca is None else webhook_ca.read_text(encoding="ascii"),
            "retry": {"max_attempts": max_attempts, "first_delay_seconds": first_delay},
            "max_events": max_events,
        }
    body = {
        "agreement": agreement,
        "purpose": purpose.value,
        "event_types": types,
        "people": "EVERYBODY" if everybody else "OF_INTEREST",
        "scope": {"provinces": provinces or [], "communes": communes or []},
        "delivery": "PULL" if endpoint is None else "PUSH",
        "endpoint": endpoint,
        "officer": officer,
        "case_id": case,
    }
    show(session_of(context), _call(context, "POST /v1/feeds/subscriptions", body))


@feed.command("list")
def list_own(context: typer.Context) -> None:
    """List your agency's subscriptions and what waits in each."""
    session = session_of(context)
    show_rows(session, session.client().pages("GET /v1/feeds/subscriptions"), _SHOWN)


@feed.command("show")
def show_own(context: typer.Context, identifier: Id) -> None:
    """Show one subscription; `held_by` says why nothing comes although it is active."""
    show(session_of(context), _call(context, f"GET {PATH}", id=identifier))


@feed.command("pause")
def pause(context: typer.Context, identifier: Id) -> None:
    """Stop deliveries for a while; what comes meanwhile waits."""
    _step(context, identifier, "pause")


@feed.command("resume")
def resume(context: typer.Context, identifier: Id) -> None:
    """Let deliveries go on."""
    _step(context, identifier, "resume")


@feed.command("end")
def end(context: typer.Context, identifier: Id) -> None:
    """End a subscription for ever; people and contents are erased."""
    _step(context, identifier, "end")


def _read_people(given: str) -> list[dict[str, str]]:
    try:
        text = sys.stdin.read() if given == "-" else Path(given).read_text(encoding="utf-8")
    except OSError as error:
        raise NotConfigured(f"Cannot read the people: {error.strerror}.", "Check the file's name.") from None
    found = []
    for row in csv.reader(text.splitlines()):
        if row and row[0].strip():
            person = {"personal_id": row[0].strip()}
            if len(row) > 1 and row[1].strip():
                person["reference"] = row[1].strip()
            found.append(person)
    if not found:
        raise NotConfigured("There is nobody in the file.", "Write one personal ID per line.")
    return found


# Numbers come from a file, never as arguments: those are seen by others and stay in the shell's history.
@interest.command("add")
def add_interest(context: typer.Context, identifier: Id, people: People) -> None:
    """Register interest in people; your reference comes back with each of their events."""
    found, answer = _read_people(people), None
    for start in range(0, len(found), _AT_A_TIME):
        some = found[start : start + _AT_A_TIME]
        answer = _call(context, f"POST {PATH}/interests", {"people": some}, id=identifier)
    show(session_of(context), answer)


@interest.command("remove")
def remove_interest(context: typer.Context, identifier: Id, people: People) -> None:
    """End interest in people; what waits about them is withheld."""
    found, removed, answer = _read_people(people), 0, {}
    for start in range(0, len(found), _AT_A_TIME):
        some = [person["personal_id"] for person in found[start : start + _AT_A_TIME]]
        answer = _call(context, f"POST {PATH}/interest-removals", {"personal_ids": some}, id=identifier)
        removed += answer["removed"]
    show(session_of(context), answer | {"removed": removed})


@feed.command("pull")
def pull(
    context: typer.Context,
    identifier: Id,
    limit: Annotated[int, typer.Option("--limit", help="At most so many events.")] = 100,
    wait: Annotated[float, typer.Option("--wait", help="Seconds to wait for the first one, up to 10.")] = 0,
) -> None:
    """Fetch the oldest events that are not acknowledged; they come again until you acknowledge."""
    session = session_of(context)
    show(session, Feed(session.client(), identifier).pull(limit=limit, wait=wait))


@feed.command("ack")
def acknowledge(
    context: typer.Context,
    identifier: Id,
    cursor: Annotated[str, typer.Argument(help="next_cursor of the page.")],
) -> None:
    """Acknowledge everything up to a cursor."""
    session = session_of(context)
    show(session, Feed(session.client(), identifier).acknowledge(cursor))


def _write_line(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event, ensure_ascii=False) + "\n")
    sys.stdout.flush()


@feed.command("follow")
def follow(
    context: typer.Context,
    identifier: Id,
    once: Annotated[bool, typer.Option("--once", help="End when nothing waits any more.")] = False,
) -> None:
    """Write each event as a line of JSON and acknowledge what was written; ends with Ctrl-C."""
    session = session_of(context)
    for event in Feed(session.client(), identifier).follow(once=once):
        _write_line(event)


@feed.command("receive")
def receive(
    context: typer.Context,
    certificate: Annotated[
        Path, typer.Option("--server-cert", exists=True, dir_okay=False, help="Certificate of the webhook.")
    ],
    key: Annotated[Path, typer.Option("--server-key", exists=True, dir_okay=False, help="Its key.")],
    host: Annotated[str, typer.Option("--host", help="Name or address to listen on.")] = "localhost",
    port: Annotated[int, typer.Option("--port", help="Port; 0 = any free one.")] = 0,
) -> None:
    """Try a webhook out: receive, check signatures, write each new event as a line of JSON."""
    session = session_of(context)
    if session.ca is None:
        raise NotConfigured("The receiver needs the exchange's CA.", "Set NDX_CA.")
    keys = signing_keys(session.client())
    receiver = Receiver(
        certificate=certificate,
        key=key,
        exchange_ca=session.ca,
        keys=keys,
        take=_write_line,
        host=host,
        port=port,
    )
    sys.stderr.write(f"Listening at {receiver.url}\n")
    try:
        receiver.serve()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")


@feed.command("ping")
def ping(context: typer.Context, identifier: Id) -> None:
    """Have the exchange call your webhook with a test event, and show what came back."""
    show(session_of(context), _call(context, f"POST {PATH}/pings", id=identifier))


@feed.command("states")
def states(context: typer.Context, identifier: Id, state: State = None) -> None:
    """List what became of each event, without its content."""
    session = session_of(context)
    query = {"state": state.upper()} if state else {}
    path = PATH.format(id=identifier)
    show_rows(session, session.client().pages(f"GET {path}/event-states", params=query), _STATES)


@feed.command("attempts")
def attempts(context: typer.Context, identifier: Id) -> None:
    """List the calls of your webhook, newest first."""
    session = session_of(context)
    path = PATH.format(id=identifier)
    show_rows(session, session.client().pages(f"GET {path}/attempts"), _ATTEMPTS)


def _replay(context: typer.Context, path: str, identifier: str, since: datetime, *, dead_only: bool) -> None:
    moment = since if since.tzinfo is not None else since.astimezone()
    body = {"since": moment.isoformat(), "dead_only": dead_only}
    show(session_of(context), _call(context, f"POST {path}/replays", body, id=identifier))


@feed.command("replay")
def replay(context: typer.Context, identifier: Id, since: Since, dead_only: DeadOnly = False) -> None:
    """Have events given again from a time on, as long as their contents are kept."""
    _replay(context, PATH, identifier, since, dead_only=dead_only)


_ALL = "/v1/feed-subscriptions"


@subscriptions.command("list")
def list_all(
    context: typer.Context,
    agency: Annotated[str | None, typer.Option("--agency", help="Only of this agency.")] = None,
) -> None:
    """List subscriptions, how much waits in each, and which webhooks fail."""
    session = session_of(context)
    query = {"agency": agency} if agency else {}
    show_rows(session, session.client().pages(f"GET {_ALL}", params=query), ("agency", *_SHOWN))


@subscriptions.command("show")
def show_any(context: typer.Context, identifier: Id) -> None:
    """Show one subscription."""
    show(session_of(context), _call(context, f"GET {_ALL}/{{id}}", id=identifier))


@subscriptions.command("states")
def states_of_any(context: typer.Context, identifier: Id, state: State = None) -> None:
    """List what became of each event: dead letters with --state DEAD. Contents are not shown."""
    session = session_of(context)
    query = {"state": state.upper()} if state else {}
    path = f"{_ALL}/{identifier}/event-states"
    show_rows(session, session.client().pages(f"GET {path}", params=query), _STATES)


@subscriptions.command("attempts")
def attempts_of_any(context: typer.Context, identifier: Id) -> None:
    """List the calls of a webhook, newest first."""
    session = session_of(context)
    show_rows(session, session.client().pages(f"GET {_ALL}/{identifier}/attempts"), _ATTEMPTS)


@subscriptions.command("suspend")
def suspend(context: typer.Context, identifier: Id, reason: Reason) -> None:
    """Stop a subscription at once; what comes meanwhile waits."""
    show(
        session_of(context),
        _call(context, f"POST {_ALL}/{{id}}/suspend", {"reason": reason}, id=identifier),
    )


@subscriptions.command("release")
def release(context: typer.Context, identifier: Id, reason: Reason) -> None:
    """End a suspension: the agency itself resumes."""
    show(
        session_of(context),
        _call(context, f"POST {_ALL}/{{id}}/release", {"reason": reason}, id=identifier),
    )


@subscriptions.command("replay")
def replay_any(context: typer.Context, identifier: Id, since: Since, dead_only: DeadOnly = False) -> None:
    """Have events given again from a time on."""
    _replay(context, f"{_ALL}/{{id}}", identifier, since, dead_only=dead_only)
