"""What is hashed: the disclosure record in canonical form, its subjects replaced by keyed pseudonyms."""

import hashlib
import hmac
import json
from datetime import UTC
from typing import Any

from ndx_contracts.disclosure import DisclosureRecord


def pseudonym(key: bytes, subject: str) -> str:
    """Return the stable pseudonym of a person for whoever holds the key (HMAC-SHA-256, hex)."""
    return hmac.new(key, subject.encode(), hashlib.sha256).hexdigest()


def canonical(record: DisclosureRecord, key: bytes) -> str:
    """Return the leaf's text: JSON with sorted names, no spaces, the time in UTC with microseconds."""
    data: dict[str, Any] = record.model_dump(mode="json")
    data["subjects"] = sorted(pseudonym(key, subject) for subject in record.subjects)
    data["occurred_at"] = record.occurred_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
