"""Names of people as civil status forms take them: letters of any script, in Unicode form NFC."""

import unicodedata
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, StringConstraints

_BETWEEN = frozenset(" '’.-")


def _composed(value: object) -> object:
    return unicodedata.normalize("NFC", value) if isinstance(value, str) else value


def _letters(value: str) -> str:
    # Categories: L letters, M marks (some names of minority groups have no composed form).
    if not value[0].isalpha() or not all(c in _BETWEEN or unicodedata.category(c)[0] in "LM" for c in value):
        raise ValueError("a name holds letters, and between them blanks, apostrophes, full stops or hyphens")
    return " ".join(value.split())


_Composed = BeforeValidator(_composed, json_schema_input_type=str)

NamePart = Annotated[
    str,
    _Composed,
    StringConstraints(min_length=1, max_length=60, strip_whitespace=True),
    AfterValidator(_letters),
]
FullName = Annotated[
    str,
    _Composed,
    StringConstraints(min_length=1, max_length=150, strip_whitespace=True),
    AfterValidator(_letters),
]
Words = Annotated[str, _Composed, StringConstraints(min_length=1, max_length=300, strip_whitespace=True)]
"""Text in words, such as a place."""
