"""Signing keys as they are published and shown."""

from datetime import datetime
from typing import Annotated, Literal

from ndx_contracts.bodies import Input, Output
from pydantic import StringConstraints

Thumbprint = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{43}$")]


class SigningKeyIn(Input):
    """A public Ed25519 key and what shows that the caller holds its private half."""

    x: Thumbprint
    proof: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9+/]{86}==$")]
    """Base64 of the signature over `ndx-signing-key <agency> <system> <kid>` in ASCII."""


class RevocationIn(Input):
    reason: Annotated[str, StringConstraints(min_length=3, max_length=500)]


class SigningKeyOut(Output):
    """A key as JSON Web Key; with a revocation it proves only what was signed before that moment."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = "EdDSA"
    kid: str
    x: str
    agency: str
    system: str
    published_at: datetime
    revoked_at: datetime | None


class SigningKeySet(Output):
    keys: list[SigningKeyOut]
