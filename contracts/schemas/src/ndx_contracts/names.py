"""Vietnamese names for comparison: the one rule for whether two spellings are one name.

The same name is written in several ways: composed or decomposed Unicode, `Hoà` or `Hòa`, capitals, double
blanks, full-width letters, invisible signs, a curved apostrophe, the Icelandic `Ð` that old code pages had
for `Đ`. `same_name` sees through these and through nothing else: `Hòa` and `Hóa` are two names.
"""

import unicodedata

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
"""Grave, acute, tilde, hook above, dot below; circumflex, breve and horn belong to the letter."""
_INVISIBLE = "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff"
_WRITTEN_ALIKE = str.maketrans(
    dict.fromkeys(_INVISIBLE, "") | dict.fromkeys("‘’ʼ`´", "'") | {"\u00f0": "\u0111"}
)


def composed(name: str) -> str:
    """Return the name in NFC with single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def words(text: str) -> str:
    """Return text of a person's hand as it is kept: composed, with single blanks.

    Raises:
        ValueError: a control character, such as a zero byte, is no text; line breaks and tabs are blanks.
    """
    written = composed(text)
    if any(unicodedata.category(sign) == "Cc" for sign in written):
        raise ValueError("control characters")
    return written


def tone_key(name: str) -> str:
    """Return a key that is equal for all spellings of a name: each syllable's tone stands at its end."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_WRITTEN_ALIKE))
    return " ".join(_tone_at_end(s) for s in plain.split())


def same_name(one: str, other: str) -> bool:
    """Tell whether two spellings mean the same name."""
    return tone_key(one) == tone_key(other)


def _tone_at_end(syllable: str) -> str:
    tones = "".join(sorted(c for c in syllable if c in _TONES))
    letters = "".join(c for c in syllable if c not in _TONES)
    return unicodedata.normalize("NFC", letters) + tones
