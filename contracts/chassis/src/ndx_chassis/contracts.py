"""Command `python -m ndx_chassis.contracts`: write the OpenAPI documents, event schemas and problem pages."""

import argparse
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from ndx_contracts.disclosure import DisclosureRecord
from ndx_contracts.events import EVENTS
from ndx_contracts.refusal import page
from ndx_contracts.refusals import REFUSALS

PACKAGES: dict[str, str] = {
    "gateway": "gateway",
    "population": "svc_population",
    "civil-registry": "svc_civil_registry",
    "insurance": "svc_insurance_link",
    "tax": "svc_tax_link",
    "identity": "svc_identity",
    "auth": "svc_auth",
}


def openapi_of(package: str) -> dict[str, Any]:
    """Return a service's OpenAPI document, built without a database."""
    module = importlib.import_module(f"{package}.app")
    settings = importlib.import_module(f"{package}.settings").Settings()
    document: dict[str, Any] = module.create_app(settings).openapi()
    return document


def event_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each event type's data."""
    schemas = {event.TYPE: event.model_json_schema() for event in EVENTS}
    schemas["disclosure.v1"] = DisclosureRecord.model_json_schema()
    return schemas


def rendered(document: dict[str, Any]) -> str:
    """Return the committed form: sorted, indented, one final newline."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write(root: Path, services: list[str]) -> None:
    """Write the documents under `root` (the folder `contracts/`)."""
    for service in services:
        target = root / "openapi" / f"{service}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rendered(openapi_of(PACKAGES[service])), encoding="utf-8")
    for name, schema in event_schemas().items():
        target = root / "events" / f"{name}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(rendered(schema), encoding="utf-8")
    pages = root.parent / "docs" / "problems"
    pages.mkdir(parents=True, exist_ok=True)
    for refusal in REFUSALS:
        (pages / f"{refusal.code}.md").write_text(page(refusal), encoding="utf-8")


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m ndx_chassis.contracts")
    parser.add_argument("services", nargs="*", help="short names; all when none is given")
    parser.add_argument("--root", type=Path, default=Path("contracts"))
    arguments = parser.parse_args()
    write(arguments.root, arguments.services or list(PACKAGES))
    sys.stdout.write("contracts written\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
