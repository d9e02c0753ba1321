"""A name of many short words: one search may not keep the whole process from everybody else."""

from itertools import count

import pytest
from svc_population.matching import name_folding, service
from svc_population.matching.name_folding import cleaned, spellings
from svc_population.matching.service import same_names

ENOUGH = 10_000
"""Far more ways than are kept; all of them would be 2^48 and more."""


@pytest.fixture
def bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail, and not hang, when all ways are made."""
    for module, name in ((name_folding, "product"), (service, "combinations")):
        real, made = getattr(module, name), count()

        def few(*args: object, real: object = real, made: object = made) -> object:
            for one in real(*args):  # type: ignore[operator]  # a function of itertools
                assert next(made) < ENOUGH, "all ways of a long name are made"  # type: ignore[call-overload]  # a counter
                yield one

        monkeypatch.setattr(module, name, few)


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("word", ["Ly", "A", "Vũ", "Thị"])
def test_a_name_of_fifty_words_costs_no_more_than_its_few_first_spellings(word: str) -> None:
    name = cleaned(" ".join([word] * (150 // (len(word) + 1))))
    assert len(spellings(name_folding.unaccented_key(name))) <= name_folding.MOST_SPELLINGS
    assert len(same_names(name).whole) < 100


def test_the_surname_is_spelt_both_ways_before_anything_else() -> None:
    assert spellings("VU LY KY") == ("VU LY KY", "VO LY KY", "VU LY KI", "VO LY KI", "VU LI KY", "VO LI KY",
                                     "VU LI KI", "VO LI KI")  # fmt: skip
    assert "VO THI MY LY CHI KHA" in spellings("VU THI MY LY CHI KHA")
