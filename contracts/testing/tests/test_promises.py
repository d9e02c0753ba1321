"""What services promise equals what is committed: OpenAPI, event schemas, problem codes."""

import importlib
import json
import pkgutil
from pathlib import Path

import pytest
from ndx_chassis.contracts import PACKAGES, event_schemas, openapi_of, rendered
from ndx_chassis.errors import DomainError
from ndx_chassis.problems import STATUS
from ndx_contracts.events import EVENTS
from ndx_contracts.refusal import Layer, page
from ndx_contracts.refusals import BY_CODE, REFUSALS
from ndx_contracts.topics import TOPICS

ROOT = Path(__file__).resolve().parents[3]
CONTRACTS = ROOT / "contracts"


def all_errors() -> list[type[DomainError]]:
    for package in ("ndx_chassis", *PACKAGES.values()):
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(module.__path__, f"{package}."):
            if found.name.endswith((".errors", ".agreements", ".caller", ".idempotency", ".gateway_client")):
                importlib.import_module(found.name)
    pending, found_errors = [DomainError], []
    while pending:
        error = pending.pop()
        found_errors.append(error)
        pending.extend(error.__subclasses__())
    return [e for e in found_errors if e.__module__.split(".")[0] in {"ndx_chassis", *PACKAGES.values()}]


class TestPromises:
    @pytest.mark.parametrize("service", sorted(PACKAGES))
    def test_the_committed_openapi_is_the_real_one(self, service: str) -> None:
        committed = (CONTRACTS / "openapi" / f"{service}.json").read_text(encoding="utf-8")
        assert rendered(openapi_of(PACKAGES[service])) == committed, "run: make contracts"

    def test_the_committed_event_schemas_are_the_real_ones(self) -> None:
        for name, schema in event_schemas().items():
            committed = (CONTRACTS / "events" / f"{name}.json").read_text(encoding="utf-8")
            assert rendered(schema) == committed, "run: make contracts"

    def test_each_event_has_a_declared_topic(self) -> None:
        declared = {topic.name for topic in TOPICS}
        assert {event.TOPIC for event in EVENTS} <= declared

    @pytest.mark.parametrize("service", sorted(PACKAGES))
    def test_every_route_says_who_may_come_in(self, service: str) -> None:
        document = json.loads((CONTRACTS / "openapi" / f"{service}.json").read_text(encoding="utf-8"))
        for path, item in document["paths"].items():
            for method, operation in item.items():
                declared = operation.get("x-ndx-operation")
                assert declared is not None, f"{method.upper()} {path} has no door"
                if declared["personal_data"] and declared["door"] == "agency":
                    assert declared["field_groups"], f"{method.upper()} {path} discloses nothing named"

    def test_every_refusal_of_the_exchange_has_a_page_of_its_own(self) -> None:
        folder = ROOT / "docs" / "problems"
        assert {p.stem for p in folder.glob("*.md")} == {r.code for r in REFUSALS}
        table = (ROOT / "docs" / "problems.md").read_text(encoding="utf-8")
        for refusal in REFUSALS:
            committed = (folder / f"{refusal.code}.md").read_text(encoding="utf-8")
            assert committed == page(refusal), "run: make contracts"
            for part in ("## Cause", "## Remedy", "## Who can help"):
                assert len(committed.split(part)[1].split("##")[0].strip()) > 20, (refusal.code, part)
            assert f"[`{refusal.code}`](problems/{refusal.code}.md)" in table

    def test_services_say_the_exchanges_refusals_as_its_list_does(self) -> None:
        for error in all_errors():
            listed = BY_CODE.get(error.code)
            if listed is not None and listed.layer is Layer.SERVICE:
                assert STATUS[error.kind] == listed.status, error
                assert error.title_vi == listed.title_vi, error

    def test_titles_exist_in_both_languages(self) -> None:
        for error in all_errors():
            if error is not DomainError:
                assert error.title != DomainError.title or error.code == "invalid-request", error
                assert error.title_vi, error
