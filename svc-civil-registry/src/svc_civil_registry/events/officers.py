"""Whether two names that an agency gave in `NDX-Officer` may be of one officer.

The exchange knows agencies and their systems by certificates; an officer is whom the agency's system names.
A number has a plain form, so that no look-alike letter makes a second officer, and two spellings of one are
one officer.
"""

import re

_OFFICER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ -]{1,63}")
_SEPARATORS = re.compile(r"[._/ -]+")


def is_officer(text: str) -> bool:
    """Tell whether this can be an officer's number: ASCII letters, digits and separators, two at least."""
    return _OFFICER.fullmatch(text) is not None and len(_plain(text)) > 1


def one_officer(one: str, other: str) -> bool:
    """Tell whether two officers (`agency:number`) may be the same: case and separators do not count."""
    agency, _, number = one.partition(":")
    other_agency, _, other_number = other.partition(":")
    return agency == other_agency and _plain(number) == _plain(other_number)


def _plain(number: str) -> str:
    return _SEPARATORS.sub("", number).casefold()
