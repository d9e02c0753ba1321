"""Folds Vietnamese names to keys that do not depend on accents, case, Unicode form or common variants."""

import unicodedata

_VARIANTS = {"vo": "vu", "huynh": "hoang"}
_FILLERS = frozenset({"thi", "van"})
"""Middle names that come and go between papers."""


def syllables(name: str) -> tuple[str, ...]:
    """Return the unaccented lower-case syllables: `Nguyễn Thị Hoà` → nguyen, thi, hoa."""
    decomposed = unicodedata.normalize("NFD", name.casefold().replace("đ", "d"))
    bare = "".join(c if c.isalnum() else " " for c in decomposed if not unicodedata.combining(c))
    return tuple(bare.split())


def fold(name: str) -> str:
    """Return the name's unaccented form."""
    return " ".join(syllables(name))


def variant_key(name: str) -> str:
    """Return a key that is equal for variants of one name: Vũ/Võ, Hoàng/Huỳnh, y/i, order, Thị dropped."""
    parts = [_VARIANTS.get(s, s) for s in syllables(name)]
    kept = [p for p in parts if p not in _FILLERS] or parts
    return " ".join(sorted(p[:-1] + "i" if len(p) > 1 and p.endswith("y") else p for p in kept))


def similar(one: str, other: str) -> bool:
    """Compare two names syllable by syllable: equal variants, or one syllable that differs by one letter.

    Syllables have two to six letters, so a letter may differ only in those of four letters or more.
    """
    left, right = variant_key(one).split(), variant_key(other).split()
    if left == right:
        return True
    if len(left) != len(right):
        return False
    mine, theirs = list(left), list(right)
    for part in left:
        if part in theirs:
            mine.remove(part)
            theirs.remove(part)
    return len(mine) == 1 and _one_letter_apart(mine[0], theirs[0])


_LEAST_LETTERS = 4


def _one_letter_apart(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    if len(short) < _LEAST_LETTERS or len(long) - len(short) > 1:
        return False
    start = next((i for i, c in enumerate(short) if c != long[i]), len(short))
    rest = short[start:] if len(long) > len(short) else short[start + 1 :]
    return long[start + 1 :] == rest
