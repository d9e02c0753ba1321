"""The auditor finds each read in the ledger, and verifies it with an independent verifier, offline."""

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from ndx_client.ledger import Entry, NotProven, VerifierKey, verify_entry

from ndx_demo.door import StepFailed
from ndx_demo.walk.steps import Walk


def prove(walk: Walk, disclosure_ids: Sequence[str]) -> None:
    """Fetch every entry with its proof, verify it, and leave the bundle for `ndx ledger verify`."""
    auditor = walk.door("NDX-mai")
    checkpoint = walk.step(
        "The auditor asks for the ledger's newest signed checkpoint",
        "GET /v1/ledger/checkpoints/latest",
        lambda: auditor.get("/v1/ledger/checkpoints/latest"),
        expect=200,
        outcome=lambda b: f"{b['size']} disclosures under one root",
    )
    key = str(checkpoint["verifier_key"])
    entries: list[dict[str, Any]] = []
    for number in disclosure_ids:
        url = f"/v1/ledger/entries/{number}"
        entries.append(
            walk.step(
                "The auditor finds the read in the ledger, with proof",
                "GET /v1/ledger/entries/{disclosure_id}",
                partial(auditor.get, url),
                expect=200,
                outcome=partial(_proven, VerifierKey.parse(key)),
                look=f"in a shell with the settings below: demo operators/NDX-mai {url}",
                until=lambda b: "leaf" in b,
            )
        )
    file = walk.context.home / "ledger.json"
    bundle = {"verifier_key": key, "entries": entries}
    file.write_text(json.dumps(bundle, indent=1, ensure_ascii=False), encoding="utf-8")
    walk.result.ledger_bundle, walk.result.ledger_key = file, key


def _proven(key: VerifierKey, body: dict[str, Any]) -> str:
    try:
        checkpoint, record = verify_entry(Entry.model_validate(body), key)
    except NotProven as fault:
        raise StepFailed(f"the ledger does not prove a read: {fault}") from None
    who = f"{record['agency']}, {record['operation']}"
    return f"{who}: position {body['position']} of {checkpoint.size}, proof and signature verified"
