"""The state folder: keys and certificates of the authorities and of the platform's own parts.

The agency CA has generations: `agency-ca`, `agency-ca-2`, … The newest signs callers' certificates, the
oldest the gateway's own, so that a caller who has not heard of the newest still knows the door.
`gateway-ca.crt` holds all of them: with it a caller knows the door before, during and after a rotation.
"""

import base64
import json
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from ndx_contracts.topics import SERVICES

from gateway.authorities import authority
from gateway.authorities import internal as internal_ca
from gateway.authorities.authority import Authority

AGENCY_CA = "agency-ca"
GATEWAY_CA_FILE = "gateway-ca.crt"
ENVOY_IDENTITY = "envoy-identity"
ENVOY_ANCHOR = "envoy-anchor"
DOOR_HOSTS = ("localhost", "gateway.ndx.local")
"""Names in the certificate of both doors, beside those of the setting `public_hosts`."""
_GENERATION = re.compile(r"^agency-ca(?:-([1-9][0-9]*))?$")


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the agency CA."""

    name: str
    authority: Authority


def _number(name: str) -> int:
    found = _GENERATION.match(name)
    return int(found.group(1) or 1) if found else 0


def words_of(name: str) -> str:
    """Return the common name of a generation; no two are the same."""
    return " ".join(["ndx agency CA", *([str(_number(name))] if _number(name) > 1 else [])])


def generation_names(state: Path) -> list[str]:
    """Return the generations in the folder, oldest first."""
    found = {file.stem for file in state.glob(f"{AGENCY_CA}*.crt") if _GENERATION.match(file.stem)}
    return sorted(found, key=_number)


def open_generation(state: Path, name: str, passphrase: bytes | None) -> Authority:
    """Open a generation that is there.

    Raises:
        FileNotFoundError: it is not; another one under its name would be another authority.
    """
    if not (state / f"{name}.crt").exists():
        raise FileNotFoundError(f"the files of {name} are not in the state folder")
    return authority.open_authority(state, name, words_of(name), passphrase)


def generations(state: Path, passphrase: bytes | None) -> list[Generation]:
    """Return all generations, oldest first; the first one is made if there is none.

    Raises:
        FileNotFoundError: a key is lost, or a former authority's files are.
    """
    names = generation_names(state)
    if not names and (state / "retired").exists():
        raise FileNotFoundError("the state folder has retired authorities but no present one")
    return [
        Generation(n, authority.open_authority(state, n, words_of(n), passphrase))
        for n in names or [AGENCY_CA]
    ]


def make_next_generation(state: Path, passphrase: bytes | None) -> Generation:
    """Make the next generation beside those that are there."""
    # A key without a certificate is left of a process that ended between the two.
    places = ("*.crt", "*.key", "retired/*.crt", "set-aside/*.crt")
    taken = max((_number(file.stem) for place in places for file in state.glob(place)), default=0)
    name = f"{AGENCY_CA}-{taken + 1}"
    return Generation(name, authority.open_authority(state, name, words_of(name), passphrase))


def set_aside(state: Path, name: str) -> None:
    """Put a generation away that nobody has registered; nothing is lost by it."""
    folder = state / "set-aside"
    folder.mkdir(mode=0o700, exist_ok=True)
    # The certificate last: with it gone there is nothing more to be put away.
    for file in (state / f"{name}.key", state / f"{name}.crt"):
        if file.exists():
            file.replace(folder / file.name)


def retire_generation(state: Path, name: str) -> None:
    """Destroy a generation's key and put its certificate away; done already is done."""
    (state / f"{name}.key").unlink(missing_ok=True)
    certificate = state / f"{name}.crt"
    if certificate.exists():
        (state / "retired").mkdir(exist_ok=True)
        certificate.replace(state / "retired" / certificate.name)


def gateway_ca_pem(found: Iterable[Generation]) -> str:
    """Return the certificates by which callers know the door, newest first."""
    newest_first = reversed(list(found))
    return "".join(authority.certificate_pem(g.authority.certificate).decode() for g in newest_first)


def _secret(path: Path, data: bytes) -> None:
    if not path.exists():
        authority.write_private(path, data)


def _write_if_other(path: Path, data: bytes) -> None:
    if not path.exists() or path.read_bytes() != data:
        authority.write_whole(path, data)


def write_envoy_identity(state: Path) -> None:
    """Write the files that tell Envoy where its own certificate lies and whom it trusts, to be watched."""
    folder = state.resolve()
    watched = {"watched_directory": {"path": str(folder)}}
    pair = {
        "certificate_chain": {"filename": str(folder / "xds-client.crt")},
        "private_key": {"filename": str(folder / "xds-client.key")},
    }
    anchor = {"trusted_ca": {"filename": str(folder / f"{internal_ca.INTERNAL_CA}.crt")}}
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"
    for name, secret in (
        (ENVOY_IDENTITY, {"tls_certificate": pair | watched}),
        (ENVOY_ANCHOR, {"validation_context": anchor | watched}),
    ):
        document = {"resources": [{"@type": kind, "name": name, **secret}]}
        _write_if_other(state / f"{name}.json", json.dumps(document, indent=1).encode())


def make_files(
    state: Path,
    operators: Iterable[tuple[str, str]],
    passphrase: bytes | None = None,
    *,
    settle: timedelta = internal_ca.SETTLE,
    public_hosts: Iterable[str] = (),
) -> None:
    """Create or renew whatever is missing or ends within 30 days; safe to repeat at any time."""
    with internal_ca.held(state):
        _make_files(state, operators, passphrase, settle, [*DOOR_HOSTS, *public_hosts])


def _make_files(
    state: Path,
    operators: Iterable[tuple[str, str]],
    passphrase: bytes | None,
    settle: timedelta,
    door: list[str],
) -> None:
    inside = internal_ca.generations(state, passphrase)
    internal_ca.write_bundle(state, inside)
    internal = internal_ca.signing(inside, settle).authority
    agency = generations(state, passphrase)
    (state / "services").mkdir(exist_ok=True)
    for name in SERVICES:
        authority.issue_server(internal, state / "services", name, [f"{name}.ndx.internal", "localhost"])
    authority.issue_server(internal, state, "xds-server", ["xds.ndx.internal", "localhost"])
    authority.issue_client(internal, state, "xds-client", "urn:ndx:internal:envoy")
    write_envoy_identity(state)
    authority.issue_client(internal, state, "gateway-client", "urn:ndx:internal:gateway")
    authority.issue_server(agency[0].authority, state, "gateway-public", door)
    authority.issue_client(agency[0].authority, state, "webhooks", "urn:ndx:gateway:webhooks")
    _write_if_other(state / GATEWAY_CA_FILE, gateway_ca_pem(agency).encode())
    (state / "operators").mkdir(exist_ok=True)
    for code, login in operators:
        uri = f"urn:ndx:operator:{code}:{login}"
        former = [g.authority for g in agency[:-1]]
        authority.issue_client(agency[-1].authority, state / "operators", f"{code}-{login}", uri, also=former)
    (state / "agencies").mkdir(exist_ok=True)
    keys = state / "keys"
    _secret(keys / "personal-id.key", secrets.token_bytes(32))
    first = base64.b64encode(secrets.token_bytes(32)).decode()
    _secret(keys / "sensitive.json", json.dumps({"current": "1", "keys": {"1": first}}).encode())
    _secret(keys / "ledger-pseudonym.key", secrets.token_bytes(32))
    _secret(keys / "feeds.key", secrets.token_bytes(32))
    _secret(keys / "exchange-signing.pem", authority.key_pem(ed25519.Ed25519PrivateKey.generate()))
    for name in SERVICES:
        _secret(keys / f"{name}-replies.pem", authority.key_pem(ed25519.Ed25519PrivateKey.generate()))
    _secret(keys / "ledger-signing.pem", authority.key_pem(ed25519.Ed25519PrivateKey.generate()))
    _secret(keys / "auth-secrets.key", secrets.token_bytes(32))
    _secret(keys / "auth-signing.pem", authority.key_pem(ec.generate_private_key(ec.SECP256R1())))
