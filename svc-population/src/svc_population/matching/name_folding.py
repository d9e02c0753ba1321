"""Vietnamese names for searching and matching: cleaned, with tones in one place, without accents, compared.

Three keys of one name, from narrow to wide: composed capitals, `tone_key` (`Hoà` = `Hòa`, but not `Hóa`), and
the key without accents (`HOA`; Đ becomes D). The widest is what the database's indexes hold: its function
`name_key` gives the same text (`tests/matching/test_search_keys.py` compares them). `agreement` says how near
two names are. Surnames come first and given names last; in between stand any number of middle names.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from enum import IntEnum
from itertools import islice, product

from ndx_contracts.names import tone_key

from svc_population.persons.search_keys import ACCENTED, PLAIN

LONGEST = 150
_TONES = "\u0300\u0301\u0303\u0309\u0323"
_VOWELS = frozenset("aeiouy")
_AS_WRITTEN = str.maketrans(
    dict.fromkeys("‘’ʼ´`", "'") | {"\u2010": "-", "\u2011": "-", "\u00d0": "Đ", "\u00f0": "đ"}
)
"""Apostrophes and hyphens of word processors; the Icelandic letter that old code pages had for Đ."""
_PLAIN_LETTERS = str.maketrans(ACCENTED, PLAIN)
_ALLOWED_SIGNS = frozenset(" '-.")
_RUN = re.compile(r"[^\W\d_]+")
_ONSET = re.compile(r"qu(?=[aeiouy])|gi(?=[aeiouy])|[^aeiouy]*")
_VARIANT_SURNAMES = (frozenset({"VU", "VO"}), frozenset({"HOANG", "HUYNH"}))
"""One surname that the south and the north spell in two ways; as keys without accents."""
_Y_OR_I = re.compile(r"^(qu|[bcdghklmnpqrstvx]+)([yi])$")
MOST_SPELLINGS = 16


class NameUnclear(ValueError):
    """What was given cannot be a name written in Latin letters."""


class NameAgreement(IntEnum):
    """How near two names are; a larger number is nearer."""

    DIFFERENT = 0
    GIVEN_NAME_ONLY = 1
    """The given names are alike without accents, the rest is not."""
    UNACCENTED_MIDDLE_MISSING = 2
    """Alike without accents only, and one leaves out middle names of the other."""
    REORDERED = 3
    """The same syllables in another order."""
    UNACCENTED = 4
    """Alike without accents only: `Hòa` and `Hóa`."""
    MIDDLE_MISSING = 5
    """One leaves out middle names of the other."""
    VARIANT = 6
    """One name in its two spellings (Vũ and Võ, Lý and Lí), or without `Thị`."""
    SAME = 7
    """Equal but for capitals, blanks and the place of tone marks."""


def cleaned(text: str) -> str:
    """Return a name in NFC with single blanks; full-width letters and invisible signs are put right.

    Raises:
        NameUnclear: it holds digits, control characters, other scripts or no letter, or is too long.
    """
    plain = unicodedata.normalize("NFKC", text).translate(_AS_WRITTEN)
    visible = "".join(c for c in plain if unicodedata.category(c) != "Cf")
    name = " ".join(unicodedata.normalize("NFC", visible).split())
    if not name or len(name) > LONGEST:
        raise NameUnclear("a name has 1 to 150 characters")
    for sign in name:
        if sign not in _ALLOWED_SIGNS and not _is_latin(sign):
            raise NameUnclear(
                "a name is written in Latin letters, blanks, apostrophes, hyphens and full stops"
            )
    if not any(sign.isalpha() for sign in name):
        raise NameUnclear("a name holds letters")
    return name


def _is_latin(sign: str) -> bool:
    if unicodedata.combining(sign):
        return True
    return sign.isalpha() and unicodedata.name(sign, "").startswith("LATIN")


def exact_key(name: str) -> str:
    """Return the name composed, in capitals, with single blanks."""
    return " ".join(unicodedata.normalize("NFC", name).upper().split())


def canonical_tones(name: str) -> str:
    """Return the name with each tone mark in its old place: `Hoà` becomes `Hòa`, `Quý` and `Toàn` stay."""
    return _RUN.sub(lambda found: _retoned(found.group()), unicodedata.normalize("NFC", name))


def _retoned(syllable: str) -> str:
    letters = unicodedata.normalize("NFD", syllable)
    tones = [c for c in letters if c in _TONES]
    if len(tones) != 1:
        return syllable
    toneless = unicodedata.normalize("NFC", letters.replace(tones[0], ""))
    place = _tone_place([unicodedata.normalize("NFD", c)[0].lower() for c in toneless], toneless)
    if place is None:
        return syllable
    return unicodedata.normalize("NFC", toneless[: place + 1] + tones[0] + toneless[place + 1 :])


def _tone_place(plain: list[str], toneless: str) -> int | None:
    """Return the letter that carries the tone, or None when this is no Vietnamese syllable.

    A vowel with a mark of its own carries it (`Nguyễn`, `Phượng`); else the middle one of three, the second
    of two before a consonant (`Toàn`), and the first of two at the end (`Hòa`, `Thúy`).
    """
    found = _ONSET.match("".join(plain))
    first = found.end() if found else 0
    end = first
    while end < len(plain) and plain[end] in _VOWELS:
        end += 1
    vowels = range(first, end)
    if not vowels or any(c in _VOWELS for c in plain[end:]):
        return None
    marked = [i for i in vowels if len(unicodedata.normalize("NFD", toneless[i])) > 1]
    if marked:
        return marked[-1]
    if len(vowels) == 2:  # noqa: PLR2004 - two vowels
        return vowels[1] if end < len(plain) else vowels[0]
    return vowels[len(vowels) // 2]


def unaccented_key(name: str) -> str:
    """Return the name in capitals without Vietnamese accents; Đ becomes D. Other nations' accents stay."""
    letters = unicodedata.normalize("NFC", name)
    capitals = letters.upper()
    if len(capitals) != len(letters):  # as the database has it, a letter stays one letter
        capitals = "".join(c.upper() if len(c.upper()) == 1 else c for c in letters)
    return " ".join(capitals.translate(_PLAIN_LETTERS).split())


def _bare(tone_keys: str) -> str:
    """Return words whose tones stand at their ends in capitals without any accents."""
    letters = unicodedata.normalize("NFD", tone_keys.upper().replace("\u0110", "D"))
    return "".join(c for c in letters if not unicodedata.combining(c))


def tokens(name: str) -> tuple[str, ...]:
    """Return the name's words without accents: surname first, given name last."""
    return tuple(unaccented_key(name).split())


def spellings(key: str) -> tuple[str, ...]:
    """Return a key without accents and the ways in which the same name is spelt too (LY, LI; VU, VO)."""
    first, *rest = key.split()
    choices = [_surname_spellings(first), *(_syllable_spellings(word) for word in rest)]
    # The name as it was given comes first, with the surname's other spelling, so that a long name loses its
    # rarest spellings; the others are not even made: there are 2^n of them for n words.
    made = ((surname, *words) for words in product(*choices[1:]) for surname in choices[0])
    return tuple(" ".join(words) for words in islice(made, MOST_SPELLINGS))


def end_spellings(words: Sequence[str]) -> tuple[str, ...]:
    """Return the key of words without accents in the spellings of its surname and its given name."""
    first, *middle, last = words
    ends = product(_surname_spellings(first), _syllable_spellings(last))
    return tuple(" ".join((surname, *middle, given)) for surname, given in ends)


def given_name_spellings(key: str) -> tuple[str, ...]:
    """Return the spellings of a given name (the last word) without accents."""
    return _syllable_spellings(key)


def _surname_spellings(word: str) -> tuple[str, ...]:
    for same in _VARIANT_SURNAMES:
        if word in same:
            return (word, *sorted(same - {word}))
    return _syllable_spellings(word)


def _syllable_spellings(word: str) -> tuple[str, ...]:
    found = _Y_OR_I.match(word.lower())
    if not found:
        return (word,)
    return (word, word[:-1] + ("I" if word[-1] == "Y" else "Y"))


def ends_key(name: str) -> str:
    """Return surname and given name alike for all orders, accents and spellings that `agreement` admits."""
    words = [_bare(_one_spelling(word, first=False)) for word in tone_key(name).split()] or [""]
    return " ".join(sorted(min(_surname_spellings(word)) for word in {words[0], words[-1]}))


def agreement(one: str, other: str) -> NameAgreement:
    """Tell how near two names are."""
    if tone_key(one) == tone_key(other):
        return NameAgreement.SAME
    mine, theirs = _variant_words(one), _variant_words(other)
    if mine == theirs or _without_mark(mine) == _without_mark(theirs):
        return NameAgreement.VARIANT
    if _middle_missing(mine, theirs):
        return NameAgreement.MIDDLE_MISSING
    return max(
        _unaccented_agreement(a, b) for a, b in product(_unaccented_words(one), _unaccented_words(other))
    )


def _unaccented_agreement(one: tuple[str, ...], other: tuple[str, ...]) -> NameAgreement:
    if one == other:
        return NameAgreement.UNACCENTED
    if sorted(one) == sorted(other):
        return NameAgreement.REORDERED
    if _middle_missing(one, other):
        return NameAgreement.UNACCENTED_MIDDLE_MISSING
    if one[-1:] == other[-1:]:
        return NameAgreement.GIVEN_NAME_ONLY
    return NameAgreement.DIFFERENT


def _unaccented_words(name: str) -> list[tuple[str, ...]]:
    """Return the words without accents; for Vũ, Võ, Hoàng and Huỳnh with either surname.

    One that is written without accents stays as it is: Vu is Vũ or Võ, but not Vo.
    """
    words = tone_key(name).split()
    first, *rest = [_bare(_one_spelling(word, first=False)) for word in words] or [""]
    both = words and words[0] in _VARIANTS
    return [(surname, *rest) for surname in (_surname_spellings(first) if both else (first,))]


def _variant_words(name: str) -> tuple[str, ...]:
    """Return the words as tone keys, each in the first of its spellings."""
    return tuple(_one_spelling(word, first=place == 0) for place, word in enumerate(tone_key(name).split()))


_VARIANTS = {tone_key(one): tone_key(same[0]) for same in (("Võ", "Vũ"), ("Hoàng", "Huỳnh")) for one in same}


def _one_spelling(word: str, *, first: bool) -> str:
    # With its accents Vũ is Võ, but Vu is not.
    if first and word in _VARIANTS:
        return _VARIANTS[word]
    if _Y_OR_I.match(_bare(word).lower()):
        return word.replace("y", "i")
    return word


def _without_mark(words: tuple[str, ...]) -> tuple[str, ...]:
    mark = tone_key("Thị")
    return (*words[:1], *(w for w in words[1:-1] if w != mark), *words[1:][-1:])


def _middle_missing(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Tell whether surname and given name agree, and one's middle names stand in the other's, in order."""
    shorter, longer = sorted((one, other), key=len)
    if len(shorter) < 2 or shorter[0] != longer[0] or shorter[-1] != longer[-1]:  # noqa: PLR2004 - two names
        return False
    left: Iterator[str] = iter(longer[1:-1])
    return len(shorter) < len(longer) and all(word in left for word in shorter[1:-1])
