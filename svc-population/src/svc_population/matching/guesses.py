"""What of a verdict may be told to an agency that has guessed before, and on whom it counts as a guess.

A record that states somebody's number is a guess about its holder, whoever else is like it. One without such
a number is a guess about whoever it comes near; that it comes near nobody tells something, too, of everybody
of its name: who knows a name could try each day of a year until somebody is found. So these answers are
counted by agency, surname, given name and birth year.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from svc_population.matching.grading import Claimed, MatchZone, Reason, Verdict
from svc_population.matching.name_folding import ends_key

_MARK = "#"
"""Begins the key of a name among those of people; it comes before all digits, so locks keep one order."""


@dataclass(frozen=True, slots=True)
class Told:
    """The verdict as it may be told, and who or which name is guessed at by it, once more."""

    verdict: Verdict
    counted: tuple[str, ...]
    exhausted: tuple[str, ...] = ()
    """Where guesses are used up, so that nothing is told: holders of a stated number, or the name."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many wrong guesses an agency has within 24 hours: about a person, and at a name."""

    person: int
    name: int

    def of(self, key: str) -> int:
        """Return the limit of a person or a name."""
        return self.name if is_name(key) else self.person


def name_of(claimed: Claimed) -> str:
    """Return under what is counted that nobody is like a record: no name, but the same for the same name."""
    plain = f"{ends_key(claimed.name)}|{claimed.birth_date.year}"
    return _MARK + hashlib.sha256(plain.encode()).hexdigest()[:24]


def is_name(key: str) -> bool:
    return key.startswith(_MARK)


def counting(verdict: Verdict, name: str) -> list[str]:
    """Return all on whom an answer can count, in the order of their locks."""
    return sorted({*verdict.about[:1], *verdict.holders, *([name] if verdict.searched else [])})


def told(verdict: Verdict, *, name: str, left: Callable[[str], bool], given: Callable[[str], bool]) -> Told:
    """Return what may be told.

    `left`: whether guesses about somebody, or at a name, are left; `given`: whether the agency may have the
    person's data at all, as far as consents go. Whoever may not be told of, and has no stated number, is
    answered as nobody is: another answer would say that the guess was right.
    """
    if verdict.searched and not left(name):
        return Told(verdict, (), (name,))
    if worn := tuple(n for n in verdict.holders if given(n) and not left(n)):
        return Told(verdict, (), worn)
    holders = tuple(n for n in verdict.holders if given(n))
    if not all(given(n) and left(n) for n in verdict.about):
        verdict = replace(
            verdict, zone=MatchZone.NO, personal_id=None, about=holders, reasons=(Reason.NOBODY_LIKE_THIS,)
        )
    verdict = replace(verdict, holders=holders)
    if verdict.zone is MatchZone.SURE:
        guessed = [n for n in holders if n != verdict.personal_id]
    else:
        guessed = [*dict.fromkeys([*holders, *verdict.about[:1]])]
    if verdict.zone is MatchZone.NO and verdict.searched:
        guessed.append(name)
    about = tuple(dict.fromkeys([*verdict.about, *holders]))
    return Told(replace(verdict, about=about), tuple(guessed))
