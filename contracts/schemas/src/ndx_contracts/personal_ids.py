"""The 12-digit personal number as text: its shape on the wire and its masked form."""

import re
from typing import Annotated

from pydantic import StringConstraints

PERSONAL_ID_PATTERN = r"^[0-9]{12}$"
PersonalId = Annotated[str, StringConstraints(pattern=PERSONAL_ID_PATTERN, strict=True)]
"""Twelve digits, always text (Decree 137/2015, article 13)."""

_ANYWHERE = re.compile(r"(?<![0-9])([0-9]{3})[0-9]{7}([0-9]{2})(?![0-9])")


def mask(personal_id: str) -> str:
    """Show only the first three and the last two digits: `079*******23`."""
    return f"{personal_id[:3]}*******{personal_id[-2:]}"


def mask_all(text: str) -> str:
    """Mask each run of exactly twelve digits in a text that may reach a log."""
    return _ANYWHERE.sub(r"\1*******\2", text)
