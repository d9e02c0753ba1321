"""Command `python -m gateway.authorities.cluster_secrets RELEASE`: the state folder as Secrets of Kubernetes.

In a cluster only the control plane has the state folder. What the other parts need of it, and nothing else,
goes into Secrets whose names the charts know: `kubectl exec … -- python -m … ndx | kubectl apply -f -`. Again
after a certificate was renewed or an internal authority rotated; a part notices its new files by itself.
"""

import argparse
import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from ndx_contracts.topics import SERVICES

from gateway.authorities import files, internal
from gateway.settings import Settings

CONTROL_PLANE = "gateway"
KEYS = {
    "population": {"personal-id.key": "personal-id.key", "sensitive.json": "sensitive.json"},
    "auth": {"signing.pem": "auth-signing.pem", "secrets.key": "auth-secrets.key"},
}
"""What a service's Secret of keys holds beside the key that signs its replies, by the files in `keys/`."""
ENVOY = (
    "xds-client.crt",
    "xds-client.key",
    f"{internal.INTERNAL_CA}.crt",
    f"{files.ENVOY_IDENTITY}.json",
    f"{files.ENVOY_ANCHOR}.json",
)


def _secret(name: str, release: str, content: dict[str, Path]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": name,
            "labels": {"app.kubernetes.io/instance": release, "app.kubernetes.io/part-of": "ndx"},
        },
        "type": "Opaque",
        "data": {key: base64.b64encode(file.read_bytes()).decode() for key, file in content.items()},
    }


def secrets(state: Path, release: str) -> list[dict[str, Any]]:
    """Return the Secrets of a release: of each service its certificate and its keys, and Envoy's identity.

    Raises:
        FileNotFoundError: the folder is not complete; `python -m gateway.bootstrap` makes what is missing.
    """
    found = [_secret(f"{release}-envoy-tls", release, {name: state / name for name in ENVOY})]
    for service in SERVICES:
        if service == CONTROL_PLANE:
            continue
        pair = {
            "tls.crt": state / "services" / f"{service}.crt",
            "tls.key": state / "services" / f"{service}.key",
            "ca.crt": state / f"{internal.INTERNAL_CA}.crt",
        }
        keys = {name: state / "keys" / file for name, file in KEYS.get(service, {}).items()}
        keys["replies.pem"] = state / "keys" / f"{service}-replies.pem"
        found += [
            _secret(f"{release}-{service}-tls", release, pair),
            _secret(f"{release}-{service}-keys", release, keys),
        ]
    return found


def main() -> int:
    """Run the command; a terminal is refused, for what comes are keys."""
    parser = argparse.ArgumentParser(prog="python -m gateway.authorities.cluster_secrets")
    parser.add_argument("release", help="name of the Helm release, as in the names of its Secrets")
    release = parser.parse_args().release
    if os.isatty(sys.stdout.fileno()):
        sys.stderr.write("These are keys, nothing for a screen: add | kubectl apply -f -\n")
        return 2
    try:
        items = secrets(Settings().state_dir, release)
    except FileNotFoundError as error:
        sys.stderr.write(f"{error.filename} is not there: run python -m gateway.bootstrap first\n")
        return 1
    json.dump({"apiVersion": "v1", "kind": "List", "items": items}, sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
