"""Commands about one's own certificate: get it, show it, renew it, revoke it."""

import sys
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ndx_client import keys, renewal
from ndx_client.errors import NotConfigured
from ndx_client.terminal import Session, session_of, show, show_rows

certificate = typer.Typer(no_args_is_help=True, help="The certificate of your own system.")


class Cause(StrEnum):
    """Why a certificate is revoked, in the words of RFC 5280."""

    UNSPECIFIED = "unspecified"
    KEY_COMPROMISE = "key-compromise"
    CA_COMPROMISE = "ca-compromise"
    AFFILIATION_CHANGED = "affiliation-changed"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessation-of-operation"
    PRIVILEGE_WITHDRAWN = "privilege-withdrawn"


Reason = Annotated[str, typer.Option("--reason", help="Why, in your words; it is kept.")]
CauseOption = Annotated[Cause, typer.Option("--cause", help="Why, in the words of RFC 5280.")]
Serial = Annotated[str, typer.Argument(help="Serial, hexadecimal, as any tool prints it.")]


def revocation(reason: str, cause: Cause) -> dict[str, str]:
    return {"reason": reason, "cause": cause.name}


def enrol(
    context: typer.Context,
    code: Annotated[
        str,
        typer.Option(
            "--code", prompt=True, hide_input=True, envvar="NDX_ENROLMENT_CODE", help="One-time code."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for key, certificate and CA.")] = Path(),
    name: Annotated[str, typer.Option("--name", help="Name of the files.")] = "ndx",
    system: Annotated[
        str | None, typer.Option("--system", help="H79.001:his; refused if the code is for another.")
    ] = None,
) -> None:
    """Get your first certificate: make a key here, send a request with the one-time code, store the answer.

    The key never leaves this machine. Run the same command again if the answer was lost: the code works once,
    but for the same key it gives the same certificate again.
    """
    key_file, crt_file, ca_file = (out / f"{name}.{end}" for end in ("key", "crt", "ca.crt"))
    try:
        key = keys.read_key(key_file) if key_file.exists() else keys.new_key()
    except ValueError:
        raise NotConfigured(
            f"{key_file} holds something else than an elliptic key.", "Choose another --name or --out."
        ) from None
    # The key is stored first: a certificate whose key was lost would use the code up for nothing.
    if not key_file.exists():
        keys.write_secret(key_file, keys.key_pem(key))
    uri = None if system is None else f"urn:ndx:agency:{system}"
    with session_of(context).public_client() as public:
        issued = public.request_certificate(code, keys.request_pem(key, name, uri))
    keys.write_public(ca_file, issued.gateway_ca_pem)
    keys.write_public(crt_file, issued.certificate_pem)
    who, until, _ = keys.describe(crt_file)
    sys.stderr.write(f"Certificate of {who}, good until {until:%Y-%m-%d}. Next:\n")
    sys.stdout.write(f"export NDX_CERT={crt_file} NDX_KEY={key_file} NDX_CA={ca_file}\n")


certificate.command("request")(enrol)


def _files(session: Session) -> tuple[Path, Path]:
    if session.cert is None or session.key is None or not session.cert.is_file():
        raise NotConfigured("There is no certificate.", "Set NDX_CERT and NDX_KEY.")
    return session.cert, session.key


@certificate.command("show")
def show_certificate(context: typer.Context) -> None:
    """Show who your certificate says you are, and until when; asks nobody."""
    file, _ = _files(session_of(context))
    who, until, serial = keys.describe(file)
    left = (until - datetime.now(UTC)).days
    show(
        session_of(context),
        {"name": who, "not_after": until.isoformat(), "days_left": left, "serial": serial},
    )


def _mine(session: Session) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = session.client().call("GET /v1/certificates/mine").json()["items"]
    return found


@certificate.command("list")
def list_my_certificates(context: typer.Context) -> None:
    """List all certificates of your system, with their state and when to renew them."""
    session = session_of(context)
    columns = ("serial", "state", "issuer", "not_after", "renew_from", "overlap_until")
    show_rows(session, _mine(session), columns)


@certificate.command("renew")
def renew_certificate(
    context: typer.Context,
    now: Annotated[bool, typer.Option("--now", help="Renew though it is not due yet.")] = False,
) -> None:
    """Renew your certificate when it is due, with a new key; run it daily.

    It is due 30 days before its end, and at once when the exchange changes its CA. The files of NDX_KEY,
    NDX_CERT and NDX_CA are replaced, each whole. The former certificate goes on working until its end, for 30
    days at most: until then let whatever uses it read the new files.
    """
    session = session_of(context)
    file, key = _files(session)
    if renewal.finish(file, key):
        sys.stderr.write("An earlier renewal is complete now.\n")
        return
    _, _, serial = keys.describe(file)
    due = next((c["renew_from"] for c in _mine(session) if c["serial"] == serial), None)
    if not now and (due is None or datetime.fromisoformat(due) > datetime.now(UTC)):
        when = "it was renewed already" if due is None else f"due from {due[:10]}"
        sys.stderr.write(f"Nothing to do: {when}.\n")
        return
    try:
        renewal.renew(file, key, session.ca, session.client().renew_certificate)
    except ValueError as error:
        raise NotConfigured(f"The renewal cannot go on: {error}.", f"Look at {key}.next") from None
    who, until, _ = keys.describe(file)
    sys.stderr.write(f"New certificate of {who}, good until {until:%Y-%m-%d}.\n")


@certificate.command("revoke")
def revoke_my_certificate(
    context: typer.Context, serial: Serial, reason: Reason, cause: CauseOption = Cause.UNSPECIFIED
) -> None:
    """Revoke a certificate of your own system at once, such as one whose key was stolen.

    Name the one that you call with and you are shut out: renew first, then revoke the former.
    """
    session = session_of(context)
    body = {"serial": serial, **revocation(reason, cause)}
    reply = session.client().call("POST /v1/certificates/mine/revoke", json=body)
    columns = ("serial", "state", "cause", "revoked_at")
    show_rows(session, [reply.json()], columns)
