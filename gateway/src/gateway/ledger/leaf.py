"""What is hashed: the disclosure record in canonical form, its subjects replaced by keyed pseudonyms."""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import orjson
from ndx_contracts.disclosure import DisclosureRecord

_MEMBERS = tuple(sorted(DisclosureRecord.model_fields))


def pseudonym(key: bytes, subject: str) -> str:
    """Return the stable pseudonym of a person for whoever holds the key (HMAC-SHA-256, hex)."""
    return hmac.digest(key, subject.encode(), hashlib.sha256).hex()


def canonical(record: Mapping[str, Any], key: bytes) -> bytes:
    """Return a record's leaf: sorted names, no spaces, UTF-8, the time in UTC with microseconds.

    It has the members of `DisclosureRecord` and no others, whatever a newer service adds.
    """
    leaf = {member: record.get(member) for member in _MEMBERS}
    leaf["subjects"] = sorted(pseudonym(key, subject) for subject in record["subjects"])
    occurred_at = datetime.fromisoformat(record["occurred_at"]).astimezone(UTC)
    leaf["occurred_at"] = f"{occurred_at.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"
    return orjson.dumps(leaf, option=orjson.OPT_SORT_KEYS)
