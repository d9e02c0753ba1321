"""The OpenAPI description of the plain route, written from the same Pydantic models as the others."""

from typing import Any

from ndx_contracts.personal_ids import PERSONAL_ID_PATTERN
from ndx_contracts.problems import MEDIA_TYPE

from svc_population.persons.schemas import PersonOut

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


def get_person_operation(declared: dict[str, Any]) -> dict[str, Any]:
    """Return the operation object of `get_person`."""
    schema = PersonOut.model_json_schema(mode="serialization")
    return {
        "operationId": "get_person",
        "summary": "Get Person",
        "description": "Field groups of one person, as far as the agreement goes. Asking for another group is"
        " refused by its name. An unknown person and a person outside the agreement's scope are both 404."
        " A former number leads to its holder.",
        "tags": ["persons"],
        "parameters": [
            {
                "name": "personal_id",
                "in": "path",
                "required": True,
                "schema": {"type": "string", "pattern": PERSONAL_ID_PATTERN},
            },
            {
                "name": "fields",
                "in": "query",
                "required": True,
                "description": "Names of field groups, joined by commas.",
                "schema": {"type": "string"},
            },
        ],
        "responses": {
            "200": {
                "description": "The person",
                "content": {"application/json": {"schema": _inlined(schema, schema.get("$defs", {}))}},
            },
            "default": {"description": "Problem", "content": _PROBLEM},
        },
        **declared,
    }
