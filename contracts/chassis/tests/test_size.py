"""The chassis stays small: its limit is decision 39, and this is where it is held."""

from pathlib import Path

import ndx_chassis

MODULES = 33
LINES = 250
DOMAINS = ("person", "birth", "death", "citizen", "tax", "insurance", "participant", "account", "ledger")
FOLDER = Path(ndx_chassis.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
DECISION = Path(__file__).resolve().parents[3] / "docs" / "adr" / "0039-chassis-limit.md"


def test_it_has_no_more_modules_than_decided() -> None:
    modules = [file.stem for file in FILES if file.stem != "__init__"]
    assert len(modules) <= MODULES, f"{len(modules)} modules, see {DECISION.name}: {modules}"


def test_no_module_is_longer_than_decided() -> None:
    lengths = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_no_module_is_named_for_a_domain() -> None:
    assert [f.name for f in FILES if any(word in f.stem for word in DOMAINS)] == []


def test_the_decision_says_the_same() -> None:
    title = DECISION.read_text(encoding="utf-8").splitlines()[0]
    assert f"at most {MODULES} modules of at most {LINES} lines" in title
