"""Commands of operators for data-sharing agreements: draft, amend, decide, stop, and look."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from ndx_contracts.agreements import AgreementTerms
from pydantic import ValidationError

from ndx_client.completion import names_of
from ndx_client.errors import NotConfigured
from ndx_client.terminal import session_of, show, show_rows

agreements = typer.Typer(
    no_args_is_help=True,
    help="Data-sharing agreements: drafted by one person, approved by a second one of the providing agency.",
)

AgreementId = Annotated[
    str,
    typer.Argument(
        help="Number of the agreement, such as DSA-H79.001-1.", autocompletion=names_of("agreement")
    ),
]
Terms = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Terms as YAML or JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
Seen = Annotated[
    str | None,
    typer.Option("--seen", help="Tag that show printed; refuses when somebody changed the agreement since."),
]
Read = Annotated[
    str, typer.Option("--seen", help="Tag that show printed: what is decided on, and nothing else.")
]
_COLUMNS = (
    "agreement_id",
    "version",
    "state",
    "consumer",
    "provider_agency",
    "purposes",
    "valid_from",
    "valid_to",
)


def read_terms(path: Path) -> dict[str, Any]:
    """Read an agreement's terms from YAML or JSON and check them before they are sent.

    Raises:
        NotConfigured: the file is no YAML, or a term is missing or wrong.
    """
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        terms = AgreementTerms.model_validate_json(json.dumps(document, default=str))
    except yaml.YAMLError as error:
        raise NotConfigured(f"{path} is neither YAML nor JSON: {error}", "Correct the file.") from None
    except ValidationError as error:
        wrong = "\n".join(
            f"  {'.'.join(str(p) for p in e['loc']) or 'terms'}: {e['msg']}" for e in error.errors()
        )
        raise NotConfigured(
            f"{path} does not hold an agreement's terms:\n{wrong}", "Correct the file."
        ) from None
    return terms.model_dump(mode="json")


def _row(agreement: dict[str, Any]) -> dict[str, Any]:
    members = agreement.get("consumer_class")
    return agreement | {"consumer": f"every {members}" if members else agreement.get("consumer_agency")}


def _send(
    context: typer.Context, operation: str, agreement: str, body: Any = None, seen: str | None = None
) -> dict[str, Any]:
    reply = (
        session_of(context).client().call(operation, path={"id": agreement}, json=body, if_match=_tag(seen))
    )
    found: dict[str, Any] = reply.json()
    return found


def _tag(seen: str | None) -> str | None:
    return None if seen is None else f'"{seen.strip(chr(34))}"'


def _step(
    context: typer.Context, agreement: str, action: str, body: Any = None, seen: str | None = None
) -> None:
    found = _send(context, f"POST /v1/agreements/{{id}}/{action}", agreement, body, seen)
    show_rows(session_of(context), [_row(found)], _COLUMNS)


@agreements.command("draft")
def draft_agreement(
    context: typer.Context,
    file: Terms,
    replace: Annotated[
        str | None, typer.Option("--replace", help="Write the next version of this draft instead.")
    ] = None,
    seen: Seen = None,
) -> None:
    """Draft an agreement with one agency (consumer_agency) or a template for a class (consumer_class)."""
    session, terms = session_of(context), read_terms(file)
    if replace is None:
        show(session, session.client().call("POST /v1/agreements", json=terms).json())
    else:
        show(session, _send(context, "PUT /v1/agreements/{id}", replace, terms, seen))


@agreements.command("amend")
def amend_agreement(context: typer.Context, agreement: AgreementId, file: Terms, seen: Seen = None) -> None:
    """Draft the next version; the one in force goes on until the new one is approved and begins."""
    terms = read_terms(file)
    operation = "POST /v1/agreements/{id}/amendments"
    show(session_of(context), _send(context, operation, agreement, terms, seen))


@agreements.command("submit")
def submit_agreement(context: typer.Context, agreement: AgreementId, seen: Seen = None) -> None:
    """Hand a draft to the providing agency."""
    _step(context, agreement, "submit", seen=seen)


@agreements.command("recall")
def recall_agreement(
    context: typer.Context, agreement: AgreementId, reason: Reason, seen: Seen = None
) -> None:
    """Take a submitted version back to a draft, to change it."""
    _step(context, agreement, "recall", {"reason": reason}, seen)


@agreements.command("withdraw")
def withdraw_agreement(
    context: typer.Context, agreement: AgreementId, reason: Reason, seen: Seen = None
) -> None:
    """Give up the version that has not begun; the one in force goes on."""
    _step(context, agreement, "withdraw", {"reason": reason}, seen)


@agreements.command("approve")
def approve_agreement(context: typer.Context, agreement: AgreementId, seen: Read) -> None:
    """Approve as a second person of the providing agency; read it with show and diff first."""
    _step(context, agreement, "approve", seen=seen)


@agreements.command("reject")
def reject_agreement(  # noqa: PLR0917 - each parameter is an argument or option of the command
    context: typer.Context,
    agreement: AgreementId,
    reason: Reason,
    basis: Annotated[str, typer.Option("--basis", help="The rule that forbids sharing, in words.")],
    reference: Annotated[str, typer.Option("--reference", help="Its number, such as 91/2025/QH15.")],
    seen: Read,
) -> None:
    """Refuse to share: in writing, with reason and legal basis."""
    body = {"reason": reason, "legal_basis": {"text": basis, "reference": reference}}
    _step(context, agreement, "reject", body, seen)


@agreements.command("suspend")
def suspend_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """Stop every call under an agreement at once."""
    _step(context, agreement, "suspend", {"reason": reason})


@agreements.command("resume")
def resume_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """Let calls under a suspended agreement go on."""
    _step(context, agreement, "resume", {"reason": reason})


@agreements.command("terminate")
def terminate_agreement(context: typer.Context, agreement: AgreementId, reason: Reason) -> None:
    """End an agreement for ever, with any version that was to follow."""
    _step(context, agreement, "terminate", {"reason": reason})


@agreements.command("list")
def list_agreements(
    context: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help="SUBMITTED shows what waits for an approver.")
    ] = None,
    consumer: Annotated[str | None, typer.Option("--consumer", help="Code of an agency.")] = None,
    consumer_class: Annotated[
        str | None, typer.Option("--class", help="Templates of a class, such as HEALTH.")
    ] = None,
) -> None:
    """List agreements: of each the version in force, or else the newest."""
    session = session_of(context)
    wanted = {
        "state": state.upper() if state else None,
        "consumer": consumer,
        "consumer_class": consumer_class.upper() if consumer_class else None,
    }
    params = {k: v for k, v in wanted.items() if v is not None}
    items = session.client().pages("GET /v1/agreements", params=params)
    show_rows(session, [_row(item) for item in items], _COLUMNS)


@agreements.command("show")
def show_agreement(
    context: typer.Context,
    agreement: AgreementId,
    history: Annotated[bool, typer.Option("--history", help="Who decided what, when and why.")] = False,
    versions: Annotated[bool, typer.Option("--versions", help="All versions with their authors.")] = False,
    version: Annotated[int | None, typer.Option("--version", help="This version.")] = None,
) -> None:
    """Show an agreement with the tag for --seen, one of its versions, or its history."""
    session, path = session_of(context), f"/v1/agreements/{agreement}"
    if history:
        items = session.client().call(f"GET {path}/history").json()["items"]
        columns = ("decided_at", "version", "action", "state", "decided_by", "reason", "legal_basis")
        show_rows(session, [i | {"legal_basis": _basis(i["legal_basis"])} for i in items], columns)
    elif versions:
        items = session.client().call(f"GET {path}/versions").json()["items"]
        rows = [_row(i["agreement"]) | {k: v for k, v in i.items() if k != "agreement"} for i in items]
        show_rows(session, rows, ("version", "state", "drafted_by", "decided_by", "updated_at", "valid_from"))
    else:
        reply = session.client().call(f"GET {path}" + (f"/versions/{version}" if version else ""))
        typer.echo(f"seen: {reply.headers.get('etag', '-')}", err=True)
        show(session, reply.json())


def _basis(given: dict[str, str] | None) -> str | None:
    return None if given is None else f"{given['reference']}: {given['text']}"


@agreements.command("diff")
def diff_agreement(
    context: typer.Context,
    agreement: AgreementId,
    version: Annotated[int, typer.Argument(help="The version to look at.")],
    since: Annotated[
        int | None, typer.Option("--since", help="Compare with this one; default: the one agreed before.")
    ] = None,
) -> None:
    """Show term by term what a version changes."""
    session = session_of(context)
    params = None if since is None else {"since": str(since)}
    path = f"GET /v1/agreements/{agreement}/versions/{version}/diff"
    found = session.client().call(path, params=params).json()
    if not session.as_json:
        typer.echo(f"version {found['from_version']} → version {found['to_version']}", err=True)
    rows = [i | {side: _plain(i[side]) for side in ("before", "after")} for i in found["items"]]
    show_rows(session, rows, ("term", "before", "after"))


def _plain(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else value
