"""The unmodified OSIA files as the judge of every answer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from jsonschema import Draft7Validator

FOLDER = Path(__file__).resolve().parents[3] / "contracts" / "osia"
EXCHANGE = frozenset({401, 403, 429, 503})
"""Refusals of the exchange itself: its problem document; the files give 401 and 403 no body."""

Judge = Callable[..., Any]


def with_string_keys(node: Any) -> Any:
    """Return the document with text keys: OpenAPI wants response codes as text, some files have numbers."""
    if isinstance(node, dict):
        return {str(key): with_string_keys(value) for key, value in node.items()}
    if isinstance(node, list):
        return [with_string_keys(item) for item in node]
    return node


def load(name: str) -> dict[str, Any]:
    document: dict[str, Any] = with_string_keys(yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8")))
    return document


def operations(document: dict[str, Any]) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Return operationId → method, path, operation."""
    return {
        body["operationId"]: (method, path, body)
        for path, item in document["paths"].items()
        for method, body in item.items()
        if method in {"get", "post", "put", "patch", "delete"}
    }


@pytest.fixture(scope="session")
def folder() -> Path:
    return FOLDER


@pytest.fixture(scope="session")
def described() -> Callable[[str], dict[str, tuple[str, str, dict[str, Any]]]]:
    """Return the operations of a file: operationId → method, path, operation."""
    return lambda name: operations(load(name))


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Check an answer against the response that the file has for an operation; return its JSON."""
    documents = {name: load(name) for name in ("dataaccess", "uin", "pr")}

    def check(name: str, operation: str, reply: httpx.Response) -> Any:
        document = documents[name]
        response = operations(document)[operation][2]["responses"].get(str(reply.status_code))
        if reply.status_code in EXCHANGE:
            assert response is None or "content" not in response
            assert reply.headers["content-type"] == "application/problem+json"
            return reply.json()
        assert response is not None, f"{operation} has no {reply.status_code} in the file: {reply.text}"
        if "content" not in response:
            assert reply.content == b""
            return None
        schema = response["content"][reply.headers["content-type"]]["schema"]
        validator = Draft7Validator({**schema, "components": document["components"]})
        found = reply.json()
        assert [e.message for e in validator.iter_errors(found)] == []
        return found

    return check
