"""Revocation lists as they are announced."""

from ndx_contracts.events.gateway import RevocationListEnding

from gateway.authorities.schemas import RevocationListOut


def ending(found: RevocationListOut) -> RevocationListEnding:
    return RevocationListEnding(authority=found.authority, number=found.number, next_update=found.next_update)
