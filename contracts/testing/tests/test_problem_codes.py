"""Every code that somebody can meet is documented, and every documented code can be met."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateway.xds.coverage import Standing
from gateway.xds.replies import REPLIES
from ndx_chassis import problems
from ndx_chassis.contracts import PACKAGES
from ndx_chassis.errors import DomainError
from ndx_contracts.refusals import BY_CODE

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "problems.md"
SOURCES = [
    file
    for pattern in ("contracts/*/src", "gateway/src", "svc-*/src")
    for folder in ROOT.glob(pattern)
    for file in folder.rglob("*.py")
]
AWAITED = {
    "certificate-required": "a handshake ends by an alert, without a body; `ndx` says it in these words",
    "consent-missing": "agreements can ask for consent; where it is given and withdrawn comes later",
}
"""Codes that are described before anything says them, with the reason."""
ROW = re.compile(r"^\| \[?`([a-z0-9-]+)`(?:\]\([^)]*\))? \| ([0-9]{3}) \|", re.MULTILINE)


def documented() -> dict[str, int]:
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    assert len(found) == len(dict(found)), "a code is documented twice"
    return {code: int(status) for code, status in found}


def subclasses(of: type[DomainError]) -> Iterator[type[DomainError]]:
    for error in of.__subclasses__():
        yield error
        yield from subclasses(error)


@pytest.fixture(scope="module")
def errors() -> list[type[DomainError]]:
    """Return every error that any module of ours declares, wherever it lies."""
    packages = ("ndx_chassis", *PACKAGES.values())
    for package in packages:
        for found in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            importlib.import_module(found.name)
    return [e for e in subclasses(DomainError) if e.__module__.split(".")[0] in packages]


def called() -> Iterator[tuple[str, ast.Call | None]]:
    """Return the names of all that our code calls, raises or keeps in a class to raise, with the call."""
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            what: ast.expr | None = None
            if isinstance(node, ast.Call):
                what = node.func
            elif isinstance(node, ast.Raise):
                what = node.exc
            elif isinstance(node, ast.ClassDef):
                kept = (s.value for s in node.body if isinstance(s, ast.Assign))
                yield from ((value.id, None) for value in kept if isinstance(value, ast.Name))
            if isinstance(what, ast.Name):
                yield what.id, node if isinstance(node, ast.Call) else None
            elif isinstance(what, ast.Attribute):
                yield what.attr, node if isinstance(node, ast.Call) else None


CALLED = list(called())


def denied() -> set[str]:
    """Return the codes with which Envoy's role filters refuse."""
    found = {s.value for s in Standing if s is not Standing.IN_FORCE}
    for name, call in CALLED:
        if name == "deny" and call is not None and isinstance(call.args[0], ast.Constant):
            found.add(str(call.args[0].value))
    return found


def said(errors: list[type[DomainError]]) -> dict[str, int]:
    """Return every code with its status that a service or Envoy can answer with."""
    names = {name for name, _ in CALLED}
    found = {e.code: problems.STATUS[e.kind] for e in errors if e.__name__ in names}
    found |= {r.code: BY_CODE[r.code].status for r in REPLIES}
    found |= {code: status for status, code in problems._HTTP_CODES.items()}
    return found | {"internal-error": 500}


class TestCodes:
    def test_what_is_said_is_documented_with_its_status(self, errors: list[type[DomainError]]) -> None:
        page = documented()
        missing = {code: status for code, status in said(errors).items() if page.get(code) != status}
        assert not missing, f"not so in docs/problems.md: {missing}"

    def test_what_is_documented_is_said(self, errors: list[type[DomainError]]) -> None:
        silent = documented().keys() - said(errors).keys() - AWAITED.keys()
        assert not silent, f"nothing answers with {sorted(silent)}: take them out of docs/problems.md"

    def test_a_code_has_one_meaning_in_all_services(self, errors: list[type[DomainError]]) -> None:
        meanings: dict[str, set[tuple[int, str, str]]] = {}
        for error in errors:
            meaning = (problems.STATUS[error.kind], error.title, error.title_vi)
            meanings.setdefault(error.code, set()).add(meaning)
        assert {code: found for code, found in meanings.items() if len(found) > 1} == {}

    def test_every_declared_error_is_used(self, errors: list[type[DomainError]]) -> None:
        names = {name for name, _ in CALLED}
        unused = [e for e in errors if e.__name__ not in names and not e.__subclasses__()]
        assert not unused, f"declared and never raised: {unused}"

    def test_envoy_has_words_for_each_of_its_reasons_and_no_others(self) -> None:
        assert denied() == {reply.code for reply in REPLIES if not reply.when}
