"""The version that a caller has read, as `If-Match` states it where it may be left out."""

from typing import Annotated

from fastapi import Header

IfMatch = Annotated[str | None, Header(alias="If-Match", pattern=r'^(W/)?"?[0-9]{1,9}"?$')]
"""The version that a read told: what is asked is refused when the record was changed since."""


def version_of(if_match: str | None) -> int | None:
    """Read the version from `If-Match`: the ETag of a read, or the bare number."""
    return None if if_match is None else int(if_match.removeprefix("W/").strip('"'))
