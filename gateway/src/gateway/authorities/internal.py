"""The internal CA, by which the platform's own parts know each other, in generations.

`internal-ca.crt` holds all that are trusted, oldest first; every part reads it again when it changes. The
first generation's key is `internal-ca.key`, later ones are the pairs `internal-ca-2`, … All else is told from
these files, so that an end at any moment leaves nothing between two states: a new generation signs when it
has been trusted for a settling time, and the old one is trusted until it is retired.
"""

import fcntl
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from ndx_contracts.topics import SERVICES

from gateway.authorities import authority
from gateway.authorities.authority import Authority

INTERNAL_CA = "internal-ca"
SETTLE = timedelta(minutes=10)
"""Parts look at their files once a second; on other machines the files have to arrive first."""
_PAIR = re.compile(r"^internal-ca-([1-9][0-9]*)$")
_BACKDATED = timedelta(minutes=5)


@contextmanager
def held(state: Path) -> Iterator[None]:
    """Let nobody else, thread or process, change the folder meanwhile.

    Two rotations at once would make one key with the other's certificate; files made beside a rotation would
    take the new generation out of what every part trusts.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / ".lock").open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of the internal CA."""

    name: str
    authority: Authority

    def signs_from(self, settle: timedelta) -> datetime:
        """Return when everybody has had its certificate long enough."""
        return self.authority.certificate.not_valid_before_utc + _BACKDATED + settle


def _number(name: str) -> int:
    found = _PAIR.match(name)
    return int(found.group(1)) if found else 1


def _names(state: Path) -> list[str]:
    first = [INTERNAL_CA] if (state / f"{INTERNAL_CA}.key").exists() else []
    later = [file.stem for file in state.glob(f"{INTERNAL_CA}-*.crt") if _PAIR.match(file.stem)]
    return first + sorted((n for n in later if (state / f"{n}.key").exists()), key=_number)


def _words(name: str) -> str:
    return " ".join(["ndx internal CA", *([str(_number(name))] if _number(name) > 1 else [])])


def generations(state: Path, passphrase: bytes | None) -> list[Generation]:
    """Return those that are trusted, oldest first; the first one is made if there never was any.

    Raises:
        FileNotFoundError: a key is lost.
    """
    found = _names(state)
    if not found and any((state / "retired").glob(f"{INTERNAL_CA}*.crt")):
        raise FileNotFoundError("the state folder has a retired internal CA but no present one")
    return [
        Generation(name, authority.open_authority(state, name, _words(name), passphrase))
        for name in found or [INTERNAL_CA]
    ]


def signing(found: Sequence[Generation], settle: timedelta) -> Generation:
    """Return the newest that has been trusted long enough, or else the oldest."""
    now = datetime.now(UTC)
    return next((g for g in reversed(found) if g.signs_from(settle) <= now), found[0])


def bundle(found: Sequence[Generation]) -> bytes:
    return b"".join(authority.certificate_pem(g.authority.certificate) for g in found)


def write_bundle(state: Path, found: Sequence[Generation]) -> None:
    """Write whom every part trusts."""
    path, data = state / f"{INTERNAL_CA}.crt", bundle(found)
    if not path.exists() or path.read_bytes() != data:
        authority.write_whole(path, data)


def begin(state: Path, passphrase: bytes | None) -> Generation:
    """Make the next generation, trusted from now on beside those that are there."""
    with held(state):
        return _begin(state, passphrase)


def _begin(state: Path, passphrase: bytes | None) -> Generation:
    taken = {_number(file.stem) for file in state.glob(f"{INTERNAL_CA}*.key")}
    taken |= {_number(file.stem) for file in (state / "retired").glob(f"{INTERNAL_CA}*.crt")}
    name = f"{INTERNAL_CA}-{max(taken, default=1) + 1}"
    made = authority.open_authority(state, name, _words(name), passphrase)
    write_bundle(state, generations(state, passphrase))
    return Generation(name, made)


def retire_former(state: Path, passphrase: bytes | None) -> list[str]:
    """Destroy the keys of all but the newest, trust them no longer, and return their names."""
    with held(state):
        return _retire_former(state, passphrase)


def _retire_former(state: Path, passphrase: bytes | None) -> list[str]:
    *former, newest = generations(state, passphrase)
    (state / "retired").mkdir(exist_ok=True)
    for one in former:
        authority.write_whole(
            state / "retired" / f"{one.name}.crt", authority.certificate_pem(one.authority.certificate)
        )
        # Without its key it is no generation any more: should all end here, the next look does the rest.
        (state / f"{one.name}.key").unlink()
        if one.name != INTERNAL_CA:
            (state / f"{one.name}.crt").unlink()
    write_bundle(state, [newest])
    return [one.name for one in former]


def _certificates(state: Path) -> dict[str, x509.Certificate]:
    """Return what the platform's parts show, by part."""
    files = [state / "services" / f"{name}.crt" for name in SERVICES]
    files += [state / f"{name}.crt" for name in ("xds-server", "xds-client", "gateway-client")]
    return {f.stem: x509.load_pem_x509_certificate(f.read_bytes()) for f in files if f.exists()}


def parts_not_of(state: Path, issuer: Generation) -> list[str]:
    """Return the platform's parts whose certificate another generation signed."""
    ca = issuer.authority.certificate
    return [part for part, shown in _certificates(state).items() if not authority.is_issued_by(shown, ca)]


def former_may_go_from(state: Path, newest: Generation, settle: timedelta) -> datetime:
    """Return when all parts have had their certificates long enough, however late those were signed."""
    ca = newest.authority.certificate
    made = [
        shown.not_valid_before_utc + _BACKDATED + settle
        for shown in _certificates(state).values()
        if authority.is_issued_by(shown, ca)
    ]
    return max([newest.signs_from(2 * settle), *made])
