"""Cuts an OpenAPI document down to some of its operations: pure, and valid OpenAPI again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gateway.catalogue.operations import METHODS

_COMPONENT = "#/components/"
_Part = tuple[str, str]
"""Kind and name of a component: ("schemas", "PersonOut")."""


def cut(
    document: Mapping[str, Any],
    keep: Callable[[str, str], bool],
    extend: Callable[[str, str], Mapping[str, Any]] = lambda _method, _path: {},
) -> dict[str, Any]:
    """Return the document with the operations for which `keep(method, path)` holds, and what they refer to.

    `extend(method, path)` gives each of them members of its own, such as `x-ndx-agreements`.
    """
    paths: dict[str, Any] = {}
    for path, item in document.get("paths", {}).items():
        kept = {
            method: {**body, **extend(method.upper(), path)}
            for method, body in item.items()
            if method in METHODS and keep(method.upper(), path)
        }
        if kept:
            shared = {name: value for name, value in item.items() if name not in METHODS}
            paths[path] = {**shared, **kept}
    components = _used(paths, document.get("components", {}))
    rest = {name: value for name, value in document.items() if name not in {"paths", "components"}}
    return {**rest, "paths": paths, **({"components": components} if components else {})}


def _used(paths: Mapping[str, Any], components: Mapping[str, Any]) -> dict[str, Any]:
    """Return the components that the paths refer to, and what these refer to in turn."""
    found: set[_Part] = set()
    ahead = _references(paths)
    while ahead:
        part = ahead.pop()
        if part not in found:
            found.add(part)
            ahead |= _references(components.get(part[0], {}).get(part[1]))
    used = {
        kind: {name: body for name, body in named.items() if (kind, name) in found}
        for kind, named in components.items()
        # Security schemes are referred to by name, not by $ref.
        if kind != "securitySchemes"
    }
    if "securitySchemes" in components:
        used["securitySchemes"] = components["securitySchemes"]
    return {kind: named for kind, named in used.items() if named}


def _references(part: Any) -> set[_Part]:
    if isinstance(part, Mapping):
        found = {_component(value) for key, value in part.items() if key == "$ref" and isinstance(value, str)}
        return {one for one in found if one is not None}.union(*map(_references, part.values()))
    if isinstance(part, Sequence) and not isinstance(part, str):
        return set().union(*map(_references, part))
    return set()


def _component(reference: str) -> _Part | None:
    kind, _, name = reference.removeprefix(_COMPONENT).partition("/")
    return (kind, name) if reference.startswith(_COMPONENT) else None
