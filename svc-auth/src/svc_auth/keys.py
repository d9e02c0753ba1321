"""The two keys of the provider: one signs tokens, the other seals secrets and blinds log-in names."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from ndx_chassis.app import Runtime

from svc_auth.settings import Settings

ALGORITHM = "ES256"
_NONCE_BYTES = 12
_LEAST_KEY_BYTES = 32


class SigningKey:
    """A P-256 key with its RFC 7638 thumbprint as `kid`; signs and checks ES256 and nothing else."""

    def __init__(self, pem: bytes) -> None:
        key = ECKey.import_key(pem)
        if key.curve_name != "P-256" or not key.is_private:
            raise ValueError("the signing key must be a P-256 private key")
        self.kid = key.thumbprint()
        self._key = ECKey.import_key(pem, {"kid": self.kid, "use": "sig", "alg": ALGORITHM})

    def public_jwks(self) -> dict[str, Any]:
        """Return the JWK Set that relying parties and the gateway verify with."""
        public = self._key.as_dict(private=False)
        return {"keys": [{k: public[k] for k in ("kty", "crv", "x", "y", "kid", "use", "alg")}]}

    def sign(self, claims: dict[str, Any], *, kind: str) -> str:
        """Return a compact JWS; `kind` is its `typ`, `at+jwt` (RFC 9068) or `JWT`."""
        header = {"alg": ALGORITHM, "kid": self.kid, "typ": kind}
        return jwt.encode(header, claims, self._key, algorithms=[ALGORITHM], default_type=None)

    def verify(self, token: str, *, kind: str) -> dict[str, Any] | None:
        """Return the claims of a token that this key signed for this use, or None; times are not checked."""
        try:
            decoded = jwt.decode(token, self._key, algorithms=[ALGORITHM])
        except (JoseError, ValueError):
            return None
        if decoded.header.get("typ") != kind or decoded.header.get("kid") != self.kid:
            return None
        return dict(decoded.claims)


class Seal:
    """Encrypts with AES-256-GCM what must be read again, bound to its owner: it opens nowhere else."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secret: bytes, *, owner: str) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, secret, owner.encode())

    def open(self, sealed: bytes, *, owner: str) -> bytes:
        """Return what was sealed for this owner.

        Raises:
            InvalidTag: it was not, or not with this key.
            ValueError: it is too short to have been.
        """
        return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], owner.encode())


class SecretsKey:
    """Seals what must be read again, blinds what must only be compared; each use has a key of its own."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) < _LEAST_KEY_BYTES:
            raise ValueError("the secrets key must have at least 32 bytes")
        self.stored = Seal(_derive(raw, b"ndx-auth seal"))
        # Anybody may ask for pages, as many as they like: those must not wear out the key of what is kept.
        self.pages = Seal(_derive(raw, b"ndx-auth login"))
        self._blind = _derive(raw, b"ndx-auth blind")

    def blind(self, use: str, value: str) -> bytes:
        """Return a keyed digest of a value for one use; equal values give equal digests."""
        return hmac.digest(self._blind, f"{use}\x00{value}".encode(), hashlib.sha256)


def _derive(raw: bytes, use: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=use).derive(raw)


@dataclass(frozen=True, slots=True)
class Keys:
    signing: SigningKey
    secrets: SecretsKey


def load_keys(settings: Settings) -> Keys:
    """Read the key files.

    Raises:
        ValueError: AUTH_SIGNING_KEY_FILE is not set, or a file does not hold a fitting key.
    """
    if settings.signing_key_file is None:
        raise ValueError("AUTH_SIGNING_KEY_FILE must name the key that signs tokens")
    pem = settings.signing_key_file.read_bytes()
    signing = SigningKey(pem)
    if settings.secrets_key_file is not None:
        return Keys(signing, SecretsKey(settings.secrets_key_file.read_bytes()))
    return Keys(signing, SecretsKey(ECKey.import_key(pem).as_der(private=True)))


def settings_of(runtime: Runtime) -> Settings:
    """Return the settings in their own type."""
    settings = runtime.settings
    if not isinstance(settings, Settings):
        raise TypeError("svc-auth runs with its own settings")
    return settings


def keys_of(runtime: Runtime) -> Keys:
    """Return the keys, read once per process."""
    keys = runtime.extras.get("keys")
    if not isinstance(keys, Keys):
        keys = runtime.extras["keys"] = load_keys(settings_of(runtime))
    return keys


async def require_keys(runtime: Runtime) -> None:
    """Refuse to start without usable keys."""
    keys_of(runtime)
