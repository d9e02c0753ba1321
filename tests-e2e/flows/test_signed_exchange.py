"""A signed call through the gateway, answered and signed by the provider, proven afterwards offline."""

import json
from pathlib import Path
from typing import Any

from ndx_client.main import app
from typer.testing import CliRunner

COMMUNE = "X26740/one-stop"
CALL = ("call", "GET", "/population/v1/persons/079190000011", "--purpose", "CIVIL_REGISTRATION")


def test_a_signed_call_and_its_reply_are_proven_offline(system, tmp_path: Path) -> None:
    def ndx(*arguments: str, by: Any = system.enrolment.systems[COMMUNE]) -> tuple[int, str]:
        settings = {
            "NDX_GATEWAY_URL": system.description["gateway_url"],
            "NDX_CITIZEN_URL": system.description["citizen_url"],
            "NDX_CERT": str(by.certificate),
            "NDX_KEY": str(by.key),
            "NDX_CA": str(by.ca),
        }
        done = CliRunner().invoke(app, list(arguments), env=settings)
        return done.exit_code, done.output

    key, kept = str(tmp_path / "own.pem"), tmp_path / "kept"
    options = ("--case", "C-1", "--officer", "cb.hoa", "--query", "fields=full_name", "--sign", key)
    key_id = ndx("signing-key", "create", key)[1].strip()
    system.wait_for(lambda: "signature-invalid" in ndx(*CALL, *options)[1])
    # The provider publishes its own key as soon as it is enrolled.
    system.wait_for(lambda: '"population"' in ndx("signing-key", "list", "--of", "G01")[1])
    assert ndx("signing-key", "publish", key)[0] == 0
    try:
        # The service hears of the key a moment after it is published.
        said = system.wait_for(
            lambda: _without_refused_signature(ndx(*CALL, *options, "--save", str(kept))[1])
        )
        files = []
        for agency in ("X26740", "G01"):
            file = tmp_path / f"{agency}.json"
            file.write_text(ndx("signing-key", "list", "--of", agency)[1])
            files += ["--keys", str(file)]
        status, proof = ndx("verify-message", str(kept), *files)
        assert status == 0, f"{proof} {said}"
        assert "request: signed by X26740/one-stop" in proof
        assert "reply: signed by G01/population" in proof
        body = kept / "reply.body"
        body.write_bytes(body.read_bytes() + b" ")
        assert ndx("verify-message", str(kept), *files)[0] == 1
    finally:
        # An operator may, and the key's own system sees it.
        operator = next(iter(system.enrolment.operators.values()))
        revoke = ("signing-key", "revoke", key_id, "--reason", "end of the test")
        assert ndx(*revoke, "--any", by=operator)[0] == 0
        keys = json.loads(ndx("--json", "signing-key", "list")[1])
        assert [k["revoked_at"] is not None for k in keys if k["kid"] == key_id] == [True]
    system.wait_for(lambda: "signature-invalid" in ndx(*CALL, *options)[1])


def _without_refused_signature(said: str) -> str:
    return "" if "signature-invalid" in said else said
