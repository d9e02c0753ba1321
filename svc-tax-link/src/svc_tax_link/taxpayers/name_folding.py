"""Compares Vietnamese names as a clerk would: case, blanks and the place of the tone mark do not count."""

import unicodedata

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
"""Grave, acute, tilde, hook above, dot below; circumflex, breve and horn belong to the letter."""


def fold(name: str) -> str:
    """Return the comparison key of a name: hoà = hòa, thuý = thúy; Hoa and Hòa differ."""
    return " ".join(_syllable(part) for part in unicodedata.normalize("NFC", name).upper().split())


def _syllable(text: str) -> str:
    marks = unicodedata.normalize("NFD", text)
    letters = "".join(c for c in marks if c not in _TONES)
    tones = "".join(c for c in marks if c in _TONES)
    return unicodedata.normalize("NFC", letters) + tones
