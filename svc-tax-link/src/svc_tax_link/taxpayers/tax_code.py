"""The grammar of legacy tax codes: ten digits with a check digit, and thirteen with a branch.

The check digit is 10 minus the weighted sum of the first nine digits modulo 11; the value 10 is never
issued. Source: the rule as published in python-stdnum (`stdnum.vn.mst`), which cites the tax department.
"""

import re

LEGACY_CODE_PATTERN = r"^[0-9]{10}(-?[0-9]{3})?$"
_SHAPE = re.compile(r"([0-9]{10})(?:-?([0-9]{3}))?")
_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)
_NEVER = 10


class TaxCodeInvalid(ValueError):
    """The text is not a legacy tax code. Says what is wrong, never the text itself."""


def check_digit(nine: str) -> int | None:
    """Return the tenth digit for the first nine; None when no code starts with them."""
    digit = 10 - sum(w * int(d) for w, d in zip(_WEIGHTS, nine, strict=True)) % 11
    return None if digit == _NEVER else digit


def parse_tax_code(text: str) -> str:
    """Return a legacy code in its stored form: `0100233488`, or `0314409058-002` for a branch.

    Raises:
        TaxCodeInvalid: wrong shape, sequence of zeros, wrong check digit, or branch 000.
    """
    found = _SHAPE.fullmatch("".join(text.split()))
    if found is None:
        raise TaxCodeInvalid("a legacy tax code has 10 digits, or 13 with its branch")
    code, branch = found.groups()
    if code[2:9] == "0" * 7:
        raise TaxCodeInvalid("digits 3 to 9 of a tax code are not all zero")
    if check_digit(code[:9]) != int(code[9]):
        raise TaxCodeInvalid("the check digit of the tax code is wrong")
    if branch is None:
        return code
    if branch == "000":
        raise TaxCodeInvalid("branches are counted from 001")
    return f"{code}-{branch}"
