"""The rules of slices find what they are for: made-up imports, each against the rule that forbids it."""

from collections.abc import Iterable
from typing import Any

import pytest
from grimp import ImportGraph
from importlinter.domain.contract import ContractCheck
from ndx_testing.slices import SliceOwns, SliceVocabulary

SLICES = ("svc_a.births.models", "svc_a.births.repository", "svc_a.births.service", "svc_a.deaths.service")


def graph_of(imports: Iterable[tuple[str, str]]) -> ImportGraph:
    graph = ImportGraph()
    named = {*SLICES, *(name for pair in imports for name in pair)}
    for name in named:
        parts = name.split(".")
        for end in range(1, len(parts) + 1):
            graph.add_module(".".join(parts[:end]))
    for importer, imported in imports:
        graph.add_import(importer=importer, imported=imported)
    return graph


def check(kind: type[Any], *imports: tuple[str, str], **options: Any) -> list[str]:
    contract = kind("rule", {}, {"services": ["svc_a"], **options})
    result: ContractCheck = contract.check(graph_of(imports), verbose=False)
    found: list[str] = result.metadata["found"]
    assert result.kept is not bool(found)
    return found


class TestSliceOwns:
    def test_a_slice_uses_its_own(self) -> None:
        own = ("svc_a.births.service", "svc_a.births.repository")
        assert check(SliceOwns, own, ("svc_a.births.repository", "svc_a.births.models")) == []

    def test_others_call_the_service(self) -> None:
        assert check(SliceOwns, ("svc_a.deaths.service", "svc_a.births.service")) == []

    @pytest.mark.parametrize("owned", ["models", "repository"])
    @pytest.mark.parametrize("importer", ["svc_a.deaths.service", "svc_a.app"])
    def test_nobody_else_imports_models_or_repository(self, importer: str, owned: str) -> None:
        found = check(SliceOwns, (importer, f"svc_a.births.{owned}"))
        assert found == [f"{importer} imports svc_a.births.{owned}"]

    def test_what_is_accepted_for_now_is_named(self) -> None:
        pair = ("svc_a.deaths.service", "svc_a.births.models")
        assert check(SliceOwns, pair, ignore_imports=[" -> ".join(pair)]) == []


class TestSliceVocabulary:
    def test_pure_rules_may_have_any_name(self) -> None:
        imports = (("svc_a.births.calendar", "ndx_chassis.errors"), ("svc_a.births.calendar", "datetime"))
        assert check(SliceVocabulary, *imports, parts=[]) == []

    @pytest.mark.parametrize("outside", ["sqlalchemy", "httpx", "svc_a.births.repository", "ndx_chassis.db"])
    def test_work_has_a_name_of_the_vocabulary(self, outside: str) -> None:
        (found,) = check(SliceVocabulary, ("svc_a.births.manager", outside), parts=[])
        assert found.startswith("svc_a.births.manager ")
        assert outside in found

    @pytest.mark.parametrize("declared", ["svc_a.births.reading", "svc_a.births.*"])
    def test_other_parts_are_declared(self, declared: str) -> None:
        assert check(SliceVocabulary, ("svc_a.births.reading", "sqlalchemy"), parts=[declared]) == []

    def test_the_list_of_declared_parts_only_shrinks(self) -> None:
        found = check(SliceVocabulary, parts=["svc_a.births.gone"])
        assert found == ["svc_a.births.gone needs no declaration"]
