"""Operations as data: what `x-ndx-operation` in the OpenAPI documents declares."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of one service."""

    name: str
    service: str
    method: str
    path: str
    door: str
    personal_data: bool
    field_groups: tuple[str, ...]
    cost: int
    acr: int


def read_documents(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the OpenAPI document of each service, by short name."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))}


def operations_of(service: str, document: dict[str, Any]) -> list[Operation]:
    """Return the declared operations of one document; undeclared paths are not on the bus."""
    found = []
    for path, item in sorted(document.get("paths", {}).items()):
        for method in METHODS:
            body = item.get(method)
            declared = (body or {}).get("x-ndx-operation")
            if declared is None:
                continue
            found.append(
                Operation(
                    name=f"{service}.{body['operationId']}",
                    service=service,
                    method=method.upper(),
                    path=path,
                    door=declared["door"],
                    personal_data=declared["personal_data"],
                    field_groups=tuple(declared["field_groups"]),
                    cost=declared["cost"],
                    acr=declared["acr"],
                )
            )
    return found
