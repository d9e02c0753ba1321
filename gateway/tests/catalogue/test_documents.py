"""Documents cut down to what a caller may call: nothing else in them, and no reference into the void."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gateway.catalogue.documents import cut
from gateway.catalogue.operations import Operation, operations_of

COMMITTED = Path(__file__).parents[3] / "contracts" / "openapi"
DOCUMENTS = {p.stem: json.loads(p.read_text(encoding="utf-8")) for p in sorted(COMMITTED.glob("*.json"))}


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*map(references, part.values()))
    return set().union(*map(references, part)) if isinstance(part, list) else set()


def resolves(document: dict[str, Any], reference: str) -> bool:
    part: Any = document
    for name in reference.removeprefix("#/").split("/"):
        part = part.get(name, {})
    return bool(part)


def is_route(wanted: Operation, method: str, path: str) -> bool:
    return (method, path) == (wanted.method, wanted.path)


@pytest.mark.parametrize("service", sorted(DOCUMENTS))
class TestCut:
    def test_each_operation_alone_has_all_that_it_refers_to_and_nothing_of_the_others(
        self, service: str
    ) -> None:
        document = DOCUMENTS[service]
        for wanted in operations_of(service, document):
            found = cut(document, partial(is_route, wanted))
            assert [o.name for o in operations_of(service, found)] == [wanted.name]
            refs = references(found)
            assert all(resolves(found, ref) for ref in refs)
            named = {
                f"#/components/{kind}/{n}" for kind, by in found.get("components", {}).items() for n in by
            }
            assert {n for n in named if "securitySchemes" not in n} <= refs

    def test_all_operations_are_the_whole_document(self, service: str) -> None:
        document = DOCUMENTS[service]
        declared = {(o.method, o.path) for o in operations_of(service, document)}
        found = cut(document, lambda method, path: (method, path) in declared)
        assert operations_of(service, found) == operations_of(service, document)

    def test_nothing_allowed_is_a_document_without_paths(self, service: str) -> None:
        found = cut(DOCUMENTS[service], lambda _method, _path: False)
        assert (found["paths"], found["info"]) == ({}, DOCUMENTS[service]["info"])
        assert set(found.get("components", {})) <= {"securitySchemes"}
