"""Signing keys as they are announced."""

from ndx_contracts.events import SigningKeyChanged

from gateway.signing_keys.models import SigningKey


def changed(key: SigningKey) -> SigningKeyChanged:
    return SigningKeyChanged(
        key_id=key.key_id,
        agency=key.agency,
        system=key.system,
        x=key.x,
        published_at=key.published_at,
        revoked_at=key.revoked_at,
    )
