"""Vietnamese names for comparison: composed form, one place for tone marks, and without marks.

The same name is written in several ways: composed or decomposed Unicode, `Hoà` or `Hòa`, capitals, double
blanks. `same_name` sees through these and through nothing else: `Hòa` and `Hóa` are two names.
"""

import unicodedata
from collections.abc import Iterable

_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")
_VOWELS = frozenset("aeiouy")
_SHAPED = frozenset("\u0302\u0306\u031b")
"""Circumflex, breve and horn: a vowel with one of them carries the tone (ê, ă, ơ …)."""


def composed(name: str) -> str:
    """Return the name in NFC with single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def tone_key(name: str) -> str:
    """Return a key that is equal for all spellings of a name: each syllable's tone stands at its end."""
    return " ".join(_tone_at_end(s) for s in unicodedata.normalize("NFD", name.casefold()).split())


def same_name(one: str, other: str) -> bool:
    """Tell whether two spellings mean the same name."""
    return tone_key(one) == tone_key(other)


def unaccented(name: str) -> str:
    """Return lower-case letters without any mark, `đ` as `d`: for accent-insensitive search."""
    decomposed = unicodedata.normalize("NFD", name.casefold())
    bare = "".join(c for c in decomposed if not unicodedata.combining(c))
    return " ".join(bare.replace("đ", "d").split())


def tone_canonical(name: str) -> str:
    """Return the name with each tone mark in its older place (`Hòa`, `Thủy`), as official lists write it."""
    return " ".join(_place_tone(s) for s in unicodedata.normalize("NFD", name).split())


def _tone_at_end(syllable: str) -> str:
    tones = "".join(sorted(c for c in syllable if c in _TONES))
    letters = "".join(c for c in syllable if c not in _TONES)
    return unicodedata.normalize("NFC", letters) + tones


def _place_tone(syllable: str) -> str:
    tones = [c for c in syllable if c in _TONES]
    if len(tones) != 1:
        return unicodedata.normalize("NFC", syllable)
    letters = _letters(c for c in syllable if c not in _TONES)
    position = _tone_position(letters)
    if position is None:
        return unicodedata.normalize("NFC", syllable)
    letters[position] += tones[0]
    return unicodedata.normalize("NFC", "".join(letters))


def _letters(characters: Iterable[str]) -> list[str]:
    letters: list[str] = []
    for character in characters:
        if unicodedata.combining(character) and letters:
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _tone_position(letters: list[str]) -> int | None:
    bases = [letter[0].casefold() for letter in letters]
    vowels = [i for i, base in enumerate(bases) if base in _VOWELS]
    # The u of qu and the i of gi belong to the consonant when another vowel follows.
    onset = "".join(bases[:2])
    if onset in {"qu", "gi"} and len(vowels) > 1 and vowels[0] == 1:
        vowels = vowels[1:]
    if not vowels or vowels != list(range(vowels[0], vowels[-1] + 1)):
        return None
    shaped = [i for i in vowels if any(mark in _SHAPED for mark in letters[i])]
    if shaped:
        return shaped[-1]
    closed = vowels[-1] < len(letters) - 1
    if len(vowels) == 1:
        return vowels[0]
    if len(vowels) == 2:  # noqa: PLR2004 - two vowels: hòa, but hoàn
        return vowels[1] if closed else vowels[0]
    return vowels[1]
