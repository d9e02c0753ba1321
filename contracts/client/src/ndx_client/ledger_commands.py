"""Commands of auditors: fetch entries of the ledger, and check them offline."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from ndx_client.errors import NotConfigured
from ndx_client.ledger import NOT_PROVEN, PROVEN, Bundle, Finding, NotProven, VerifierKey, verify
from ndx_client.terminal import session_of

ledger = typer.Typer(no_args_is_help=True, help="The ledger of disclosures: export entries, verify them.")


@ledger.command("export")
def export_entries(
    context: typer.Context,
    disclosures: Annotated[list[str], typer.Argument(help="Ids of disclosure records.")],
    out: Annotated[Path, typer.Option("--out", help="Where to write the bundle.")] = Path("ledger.json"),
) -> None:
    """Write entries with their proofs, signed checkpoints and the ledger's key into one file (auditors)."""
    client = session_of(context).client()
    latest = client.call("GET /v1/ledger/checkpoints/latest").json()
    entries = [
        client.call("GET /v1/ledger/entries/{disclosure_id}", path={"disclosure_id": number}).json()
        for number in disclosures
    ]
    bundle = {"verifier_key": latest["verifier_key"], "entries": entries}
    out.write_text(json.dumps(bundle, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    sys.stderr.write(f"{len(entries)} entries. Next: ndx ledger verify {out}\n")


@ledger.command("verify")
def verify_bundle(
    bundle: Annotated[Path, typer.Argument(help="The bundle, as `ndx ledger export` writes it.")],
    key: Annotated[
        str | None,
        typer.Option("--key", envvar="NDX_LEDGER_KEY", help="The ledger's published verifier key."),
    ] = None,
) -> None:
    """Check a bundle offline and say what is proven and what is not; exit with 1 if a check fails."""
    try:
        found = Bundle.model_validate_json(bundle.read_bytes())
    except OSError as error:
        raise NotConfigured(f"Cannot read {bundle}: {error.strerror}.", "Check the file's name.") from None
    except ValidationError:
        raise NotConfigured(f"{bundle} is no bundle.", "Write one with ndx ledger export.") from None
    try:
        findings = verify(found, VerifierKey.parse(key or found.verifier_key))
    except NotProven as fault:
        raise NotConfigured(f"Unusable: {fault}.", "Ask the operator for the published key.") from None
    for finding in findings:
        sys.stdout.write(_line(finding))
    proven = sum(finding.fault is None for finding in findings)
    sys.stdout.write(f"\n{proven} of {len(findings)} records are proven.\n")
    if proven:
        sys.stdout.write("".join(f"  proven: {words}\n" for words in PROVEN))
    trust = () if key else ("whose key it is: it came with the bundle; give the published one with --key",)
    sys.stdout.write("".join(f"  not proven: {words}\n" for words in (*trust, *NOT_PROVEN)))
    if proven < len(findings):
        raise typer.Exit(1)


def _line(finding: Finding) -> str:
    number = finding.entry.disclosure_id
    if finding.checkpoint is None:
        return f"NOT PROVEN  {number}  {finding.fault}\n"
    words = [str(finding.record.get(name)) for name in ("occurred_at", "agency", "operation", "purpose")]
    place = f"position {finding.entry.position} of {finding.checkpoint.size}"
    return f"proven      {number}  {place}  {'  '.join(words)}\n"
