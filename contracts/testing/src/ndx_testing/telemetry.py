"""What the code logs, traces and counts, read from its source, and what `contracts/telemetry/` declares."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

LEVELS = frozenset({"debug", "info", "warning", "error", "critical"})
SOURCES = ("contracts/chassis/src", "gateway/src", "svc-*/src")


@dataclass(frozen=True, slots=True)
class Said:
    """A log event or a span at its place in the code: its name and the names of its keys or attributes."""

    name: str
    keys: frozenset[str]
    place: str


@dataclass(slots=True)
class Declared:
    """The committed declarations, by kind."""

    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    spans: dict[str, dict[str, Any]] = field(default_factory=dict)
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)

    def keys(self, group: dict[str, Any]) -> frozenset[str]:
        return frozenset(a["ref"] for a in group.get("attributes", ()))


def declared(folder: Path) -> Declared:
    """Read the registry.

    Raises:
        ValueError: a group of an unknown type, or one that is declared twice.
    """
    found = Declared()
    for path in sorted(folder.glob("*.yaml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            kind = group["type"]
            if kind == "attribute_group":
                for attribute in group["attributes"]:
                    _add(found.attributes, attribute["id"], attribute)
            elif kind == "event":
                _add(found.events, group["name"], group)
            elif kind == "span":
                _add(found.spans, group["id"].removeprefix("span."), group)
            elif kind == "metric":
                _add(found.metrics, group["metric_name"], group)
            else:
                raise ValueError(f"{path.name}: unknown type {kind}")
    return found


def _add(into: dict[str, dict[str, Any]], name: str, group: dict[str, Any]) -> None:
    if name in into:
        raise ValueError(f"{name} is declared twice")
    into[name] = group


def _modules(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for source in SOURCES:
        for path in sorted(p for folder in root.glob(source) for p in folder.rglob("*.py")):
            yield str(path.relative_to(root)), ast.parse(path.read_text(encoding="utf-8"))


def logged(root: Path) -> list[Said]:
    """Return every call of the shared log in the code.

    Raises:
        ValueError: an event whose name or keys are not written out, so that nobody could declare it.
    """
    found = []
    for name, module in _modules(root):
        for node in ast.walk(module):
            if not (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "log"
                and node.func.attr in LEVELS
            ):
                continue
            place = f"{name}:{node.lineno}"
            if len(node.args) != 1 or not isinstance(node.args[0], ast.Constant):
                raise ValueError(f"{place}: the event is no constant")
            if any(k.arg is None for k in node.keywords):
                raise ValueError(f"{place}: the keys are not written out")
            keys = frozenset(k.arg for k in node.keywords if k.arg is not None)
            found.append(Said(str(node.args[0].value), keys, place))
    return found


def traced(root: Path) -> list[Said]:
    """Return every span that the code opens: its kind and the attributes of call and `set_attribute`."""
    found = []
    for path, module in _modules(root):
        for function in ast.walk(module):
            if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or function.name == "span":
                continue
            calls = [n for n in ast.walk(function) if isinstance(n, ast.Call)]
            spans = [c for c in calls if isinstance(c.func, ast.Name) and c.func.id == "span"]
            later = {
                str(c.args[0].value)
                for c in calls
                if isinstance(c.func, ast.Attribute)
                and c.func.attr == "set_attribute"
                and isinstance(c.args[0], ast.Constant)
            }
            for call in spans:
                kinds = [k.value for k in call.keywords if _is_kind(k)]
                kind = next((v.attr for v in kinds if isinstance(v, ast.Attribute)), "INTERNAL")
                given = {
                    k.arg.replace("__", ".")
                    for k in call.keywords
                    if k.arg and k.arg not in {"kind", "parent"}
                }
                found.append(Said(kind.lower(), frozenset(given | later), f"{path}:{call.lineno}"))
    return found


def _is_kind(keyword: ast.keyword) -> bool:
    return keyword.arg == "kind" and isinstance(keyword.value, ast.Attribute)


def prometheus_name(metric: dict[str, Any]) -> str:
    """Return a metric's name on the page, by OpenTelemetry's rules for Prometheus."""
    name = str(metric["metric_name"]).replace(".", "_")
    unit = {"s": "_seconds", "By": "_bytes"}.get(metric["unit"], "")
    return name + unit + ("_total" if metric["instrument"] == "counter" else "")
