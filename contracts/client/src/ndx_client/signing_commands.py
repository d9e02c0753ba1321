"""Commands about signatures: keys of the own system, and the check of a kept call."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from ndx_contracts.signatures import SignatureInvalid, jwk
from ndx_contracts.signed_exchange import ReplyNotBound, owner_of, prove

from ndx_client.errors import NotConfigured
from ndx_client.keys import write_secret
from ndx_client.proofs import check, read_signing_key
from ndx_client.terminal import EXIT_REFUSED, session_of, show, show_rows

signing_keys = typer.Typer(no_args_is_help=True, help="Keys with which your system signs its calls.")
_COLUMNS = ("kid", "agency", "system", "published_at", "revoked_at")


@signing_keys.command("create")
def create(file: Annotated[Path, typer.Argument(help="Where the new private key goes.")]) -> None:
    """Make an Ed25519 key that only you can read; nothing is sent."""
    if file.exists():
        raise NotConfigured(f"{file} exists.", "Choose another name; a key is never written over.")
    key = Ed25519PrivateKey.generate()
    write_secret(file, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    sys.stdout.write(jwk(key.public_key())["kid"] + "\n")


@signing_keys.command("publish")
def publish(
    context: typer.Context, file: Annotated[Path, typer.Argument(help="The private key; it stays here.")]
) -> None:
    """Publish the public half under your certificate; older keys stay in force beside it."""
    session, key = session_of(context), read_signing_key(file)
    client = session.client()
    try:
        agency, system = owner_of(session.cert.read_bytes() if session.cert else b"")
    except ValueError:
        raise NotConfigured("The certificate is no agency's.", "Set NDX_CERT to your system's.") from None
    body = {"x": jwk(key.public_key())["x"], "proof": prove(key, agency, system)}
    show(session, client.send("POST", "/v1/signing-keys/mine", json=body).json())


@signing_keys.command("list")
def list_keys(
    context: typer.Context,
    of: Annotated[str | None, typer.Option("--of", help="Another agency: its key set, as JSON.")] = None,
) -> None:
    """List your system's keys, or print any agency's key set for ndx verify-message."""
    session = session_of(context)
    if of is None:
        items = session.client().call("GET /v1/signing-keys/mine").json()["keys"]
        show_rows(session, items, _COLUMNS)
    else:
        with session.public_client() as public:
            found = public.call("GET /v1/agencies/{agency}/signing-keys", path={"agency": of})
        sys.stdout.write(json.dumps(found.json(), indent=1) + "\n")


@signing_keys.command("revoke")
def revoke(
    context: typer.Context,
    key_id: Annotated[str, typer.Argument(help="The key's id, as ndx signing-key list shows it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is kept.")],
    any_agency: Annotated[bool, typer.Option("--any", help="Of any agency (operators).")] = False,
) -> None:
    """Revoke a key of your system, or of any as an operator; what it signed before stays provable."""
    session = session_of(context)
    operation = f"POST /v1/signing-keys/{'' if any_agency else 'mine/'}{{key_id}}/revoke"
    reply = session.client().call(operation, path={"key_id": key_id}, json={"reason": reason})
    show(session, reply.json())


def verify_message(
    folder: Annotated[Path, typer.Argument(help="A folder that ndx call --save wrote.")],
    keys: Annotated[list[Path], typer.Option("--keys", help="A key set (JWKS); may be repeated.")],
) -> None:
    """Check a kept call and its reply without the exchange: who signed what, and when.

    Leaves exit status 0 when the signatures hold and 1 when one does not, or when the reply does not cover
    the signature of the request: then its maker has not checked that, and answered nobody in particular.
    """
    try:
        key_sets = [json.loads(file.read_bytes()) for file in keys]
    except (OSError, ValueError):
        raise NotConfigured("A key set cannot be read.", "Give files of ndx signing-key list --of.") from None
    try:
        found = check(folder, key_sets)
    except ReplyNotBound as error:
        key_id, signed_at = error.proof.key_id, error.proof.signed_at.isoformat()
        sys.stderr.write(f"Not proven: {error} (signed at {signed_at} with key {key_id})\n")
        raise typer.Exit(EXIT_REFUSED) from None
    except SignatureInvalid as error:
        sys.stderr.write(f"Not proven: {error}\n")
        raise typer.Exit(EXIT_REFUSED) from None
    if found[0].message != "request":
        sys.stdout.write("request: not signed; the reply proves method, path and query only\n")
    for one in found:
        sys.stdout.write(
            f"{one.message}: signed by {one.signer} at {one.signed_at.isoformat()} with key {one.key_id}\n"
        )
