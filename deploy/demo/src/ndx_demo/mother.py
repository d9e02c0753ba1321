"""`mother PATH`, in a shell with the demo's settings: what she is answered at the citizens' door."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from ndx_client.citizen import LoginRefused, citizen_http, log_in

_SPARE_SECONDS = 10


def _token(http: httpx.Client, file: Path, holder: dict[str, Any]) -> str:
    """Return an access token; the last one while it holds, for a one-time password works only once."""
    kept = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    if kept.get("whose") == holder["totp_secret"] and kept["until"] > time.time():
        return str(kept["token"])
    found = log_in(
        http, handle=holder["personal_id"], passcode=holder["passcode"], totp_secret=holder["totp_secret"]
    )
    until = time.time() + found.expires_in - _SPARE_SECONDS
    file.touch(mode=0o600)
    file.write_text(
        json.dumps({"whose": holder["totp_secret"], "token": found.access_token, "until": until}),
        encoding="utf-8",
    )
    return found.access_token


def main(
    path: Annotated[str, typer.Argument(help="What to ask for, as /population/v1/me/disclosures.")],
) -> None:
    """Log the demo's mother in with passcode and one-time password, and ask at the citizens' door."""
    try:
        file = Path(os.environ["DEMO_HOLDER"])
        holder = json.loads(file.read_text(encoding="utf-8"))
        url, ca = os.environ["NDX_CITIZEN_URL"], os.environ["NDX_CA"]
    except (KeyError, OSError):
        sys.stderr.write("mother: nobody has an account here yet: run make demo, then . .local/demo/env\n")
        raise typer.Exit(2) from None
    try:
        with citizen_http(url, ca) as http:
            token = _token(http, file.with_name("demo-token.json"), holder)
            reply = http.get(path, headers={"Authorization": f"Bearer {token}"})
    except (LoginRefused, httpx.HTTPError) as error:
        sys.stderr.write(f"mother: {error}\n")
        raise typer.Exit(3) from None
    sys.stdout.write(reply.text + "\n")
    raise typer.Exit(0 if reply.is_success else 1)


if __name__ == "__main__":
    typer.run(main)
