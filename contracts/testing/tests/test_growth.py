"""What may only grow does, and what may only shrink does, measured against every version in the history."""

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ndx_chassis.contracts import event_schemas
from ndx_testing.compatibility import breaks
from ndx_testing.history import former_names, former_versions

ROOT = Path(__file__).resolve().parents[3]
GAPS = "contracts/known_gaps.toml"
BROKEN_BEFORE_RELEASE = {"gateway.agreement-changed.v1": "a template has a class of consumers, not one"}
"""Events that changed while nothing was released yet, and why; what came before the change binds nobody."""
OLD: dict[str, Any] = {
    "$defs": {"Cause": {"enum": ["AGE", "DEATH"], "type": "string"}},
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "cause": {"$ref": "#/$defs/Cause"},
        "of": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "items": {"items": {"type": "integer"}, "type": "array"},
    },
    "required": ["id", "cause"],
    "type": "object",
}


def changed(**members: Any) -> dict[str, Any]:
    return {**OLD, "properties": {**OLD["properties"], **members}}


class TestAdditive:
    def test_a_new_optional_member_is_no_break(self) -> None:
        assert not breaks(OLD, OLD)
        assert not breaks(OLD, changed(note={"type": "string", "title": "Note"}))

    @pytest.mark.parametrize(
        "new",
        [
            {**OLD, "properties": {k: v for k, v in OLD["properties"].items() if k != "of"}},
            {**OLD, "required": ["id"]},
            {**OLD, "required": ["id", "cause", "of"]},
            {**OLD, "$defs": {"Cause": {"enum": ["AGE"], "type": "string"}}},
            changed(id={"type": "string"}),
            changed(of={"type": "string"}),
            changed(of={"anyOf": [{"type": "integer"}, {"type": "null"}]}),
            changed(items={"items": {"type": "string"}, "type": "array"}),
        ],
        ids=["gone", "optional", "required", "value", "format", "not-null", "type", "item"],
    )
    def test_what_a_reader_of_yesterday_cannot_take_is_a_break(self, new: dict[str, Any]) -> None:
        assert breaks(OLD, new)


class TestEvents:
    @pytest.mark.parametrize("name", sorted(event_schemas()))
    def test_an_event_only_grows_within_its_major_version(self, name: str) -> None:
        present = event_schemas()[name]
        for commit, text in former_versions(ROOT, f"contracts/events/{name}.json"):
            found = breaks(json.loads(text), present)
            if found and name in BROKEN_BEFORE_RELEASE:
                return
            assert not found, f"as of {commit}; a break is a new major version"

    def test_no_event_type_vanishes(self) -> None:
        ever = {name.removesuffix(".json") for name in former_names(ROOT, "contracts/events")}
        assert not ever - set(event_schemas()), "somebody may still read it: retire it in two steps"

    def test_the_folder_holds_no_stray_schema(self) -> None:
        held = {path.stem for path in (ROOT / "contracts" / "events").glob("*.json")}
        assert held == set(event_schemas()), "run: make contracts"


class TestKnownGaps:
    def test_the_list_of_gaps_only_shrinks(self) -> None:
        present = tomllib.loads((ROOT / GAPS).read_text(encoding="utf-8"))
        for commit, text in former_versions(ROOT, GAPS):
            former = tomllib.loads(text)
            added = {
                f"{rule}: {operation}"
                for rule, entries in present.items()
                for operation in set(entries) - set(former.get(rule, {}))
            }
            assert not added, f"not yet there as of {commit}: close the gap instead"
