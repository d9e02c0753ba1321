"""Commands of operators about certificate authorities: rotation, outside trust anchors, revocation lists."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ndx_client.terminal import session_of, show_rows

authorities = typer.Typer(
    no_args_is_help=True, help="Certificate authorities: rotate the own one, trust outside ones."
)

Name = Annotated[str, typer.Argument(help="Name of the authority, such as agency-ca.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept with the decision.")]
Pem = Annotated[Path, typer.Option("--pem", exists=True, dir_okay=False, help="File in PEM form.")]


def _show(context: typer.Context, items: list[dict[str, Any]]) -> None:
    rows = []
    for item in items:
        found = item.get("revocation_list") or {}
        ends = found.get("next_update")
        warning = " ENDS SOON" if found.get("ends_soon") else ""
        source = item.get("revocation_source") or {}
        row = {**item, "list_until": None if ends is None else f"{ends[:10]}{warning}"}
        rows.append(
            row | {"list_fetched": source.get("error") or (source.get("fetched_at") or "")[:16] or None}
        )
    columns = (
        "name",
        "kind",
        "state",
        "not_after",
        "list_until",
        "list_fetched",
        "good_certificates",
        "systems_waiting",
        "successors_unused",
        "may_certify",
    )
    show_rows(session_of(context), rows, columns)


@authorities.command("list")
def list_authorities(context: typer.Context) -> None:
    """List authorities: their state, until when their revocation list is good, and who depends on them."""
    _show(context, session_of(context).client().call("GET /v1/authorities").json()["items"])


@authorities.command("rotate")
def rotate_authority(context: typer.Context, reason: Reason) -> None:
    """Let a new authority issue certificates; those of the present one go on working.

    Each system gets one of the new authority at its next daily `ndx certificate renew`. Watch `ndx ca list`
    until nobody waits any more, then retire the former authority.
    """
    reply = session_of(context).client().call("POST /v1/authorities/rotate", json={"reason": reason})
    _show(context, reply.json()["items"])


@authorities.command("waiting")
def list_waiting(context: typer.Context, name: Name) -> None:
    """List the certificates of an authority that nobody has renewed yet: whom to remind."""
    session = session_of(context)
    params = {"issuer": name, "ending_within_days": "3650"}
    found = session.client().pages("GET /v1/certificates", params=params)
    show_rows(session, found, ("agency", "system", "serial", "state", "not_after", "first_used_at"))


@authorities.command("retire")
def retire_authority(
    context: typer.Context,
    name: Name,
    reason: Reason,
    cut_off: Annotated[
        bool, typer.Option("--cut-off", help="Shut out the systems that still depend on it.")
    ] = False,
) -> None:
    """Trust an authority no longer, on open connections too; the key of an own one is destroyed."""
    body = {"reason": reason, "cut_off": cut_off}
    client = session_of(context).client()
    reply = client.call("POST /v1/authorities/{name}/retire", path={"name": name}, json=body)
    _show(context, reply.json()["items"])


def _show_inside(context: typer.Context, found: dict[str, Any]) -> None:
    *former, newest = found["generations"]
    waiting = ", ".join(found["parts_waiting"])
    rows = [*former, {**newest, "parts_waiting": waiting, "former_may_go_from": found["former_may_go_from"]}]
    columns = ("name", "signs", "signs_from", "not_after", "parts_waiting", "former_may_go_from")
    show_rows(session_of(context), rows, columns)


@authorities.command("internal")
def show_internal(context: typer.Context) -> None:
    """Show the authority by which the platform's own parts know each other, and how far its rotation is."""
    _show_inside(context, session_of(context).client().call("GET /v1/internal-authority").json())


@authorities.command("rotate-internal")
def rotate_internal(context: typer.Context, reason: Reason) -> None:
    """Make a new internal authority: trusted by all parts at once, signing after the settling time.

    Watch `ndx ca internal` until no part waits and the former one may go, then run `ndx ca retire-internal`.
    """
    reply = session_of(context).client().call("POST /v1/internal-authority/rotate", json={"reason": reason})
    _show_inside(context, reply.json())


@authorities.command("retire-internal")
def retire_internal(
    context: typer.Context,
    reason: Reason,
    cut_off: Annotated[
        bool, typer.Option("--cut-off", help="At once, though parts may fail until they read their files.")
    ] = False,
) -> None:
    """Trust the former internal authority no longer; its key is destroyed."""
    body = {"reason": reason, "cut_off": cut_off}
    reply = session_of(context).client().call("POST /v1/internal-authority/retire", json=body)
    _show_inside(context, reply.json())


@authorities.command("trust")
def trust_authority(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="How you call it: small letters, digits, hyphens.")],
    pem: Pem,
    agencies: Annotated[
        list[str], typer.Option("--for", help="Agency that it may vouch for, H79.* for all below; repeat.")
    ],
) -> None:
    """Register an outside authority; it is trusted as soon as its revocation list is there."""
    body = {"name": name, "pem": pem.read_text(encoding="ascii"), "may_certify": agencies}
    _show(context, [session_of(context).client().call("POST /v1/authorities", json=body).json()])


@authorities.command("put-list")
def put_revocation_list(context: typer.Context, name: Name, pem: Pem) -> None:
    """Hand in the newest revocation list of an outside authority; run it daily, before the old one ends."""
    client = session_of(context).client()
    reply = client.call(
        "PUT /v1/authorities/{name}/revocation-list",
        path={"name": name},
        json={"pem": pem.read_text(encoding="ascii")},
    )
    _show(context, [reply.json()])


@authorities.command("fetch-list")
def set_revocation_source(
    context: typer.Context,
    name: Name,
    url: Annotated[
        str | None, typer.Argument(help="http:// or https://; without it, you hand lists in.")
    ] = None,
) -> None:
    """Let the exchange fetch the list of an outside authority by itself, every hour."""
    client = session_of(context).client()
    path = {"name": name}
    reply = client.call("PUT /v1/authorities/{name}/revocation-source", path=path, json={"url": url})
    _show(context, [reply.json()])


@authorities.command("get-list")
def get_revocation_list(
    context: typer.Context,
    name: Name,
    out: Annotated[Path | None, typer.Option("--out", help="File; standard output by default.")] = None,
) -> None:
    """Fetch the revocation list of an own authority, in DER form; needs no certificate."""
    with session_of(context).public_client() as public:
        reply = public.call("GET /v1/revocation-lists/{name}", path={"name": name})
    if out is None:
        sys.stdout.buffer.write(reply.content)
    else:
        out.write_bytes(reply.content)
