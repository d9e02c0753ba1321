"""The OpenAPI description of the plain routes, written from the same Pydantic models as the others."""

from typing import Any, Literal

from ndx_contracts.personal_ids import PERSONAL_ID_PATTERN
from ndx_contracts.problems import MEDIA_TYPE
from pydantic import BaseModel

from svc_population.persons.schemas import PersonOut, VerifyIn, VerifyOut

_PROBLEM = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _inlined(value: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        reference = value.get("$ref")
        if isinstance(reference, str):
            return _inlined(definitions[reference.rsplit("/", 1)[-1]], definitions)
        return {k: _inlined(v, definitions) for k, v in value.items() if k != "$defs"}
    if isinstance(value, list):
        return [_inlined(v, definitions) for v in value]
    return value


_PERSONAL_ID = {
    "name": "personal_id",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": PERSONAL_ID_PATTERN},
}


def _schema_of(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Any:
    schema = model.model_json_schema(mode=mode)
    return {"application/json": {"schema": _inlined(schema, schema.get("$defs", {}))}}


def verify_person_operation(declared: dict[str, Any]) -> dict[str, Any]:
    """Return the operation object of `verify_person`."""
    return {
        "operationId": "verify_person",
        "summary": "Verify Person",
        "description": "Yes or no to each claim about a person, never a value. An unknown person and a person"
        " outside the agreement's scope are both 404. Wrong guesses are counted per agency and person.",
        "tags": ["persons"],
        "parameters": [_PERSONAL_ID],
        "requestBody": {"required": True, "content": _schema_of(VerifyIn, "validation")},
        "responses": {
            "200": {"description": "The answers", "content": _schema_of(VerifyOut, "serialization")},
            "default": {"description": "Problem", "content": _PROBLEM},
        },
        **declared,
    }


def get_person_operation(declared: dict[str, Any]) -> dict[str, Any]:
    """Return the operation object of `get_person`."""
    return {
        "operationId": "get_person",
        "summary": "Get Person",
        "description": "Field groups of one person, as far as the agreement goes. Asking for another group is"
        " refused by its name. An unknown person and a person outside the agreement's scope are both 404."
        " A former number leads to its holder.",
        "tags": ["persons"],
        "parameters": [
            _PERSONAL_ID,
            {
                "name": "fields",
                "in": "query",
                "required": True,
                "description": "Names of field groups, joined by commas.",
                "schema": {"type": "string"},
            },
        ],
        "responses": {
            "200": {"description": "The person", "content": _schema_of(PersonOut, "serialization")},
            "default": {"description": "Problem", "content": _PROBLEM},
        },
        **declared,
    }
