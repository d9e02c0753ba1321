"""The control plane under test: first operators, a small catalogue, real keys in a folder of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from gateway.settings import Settings
from ndx_chassis.app import Runtime

from gateway import bootstrap

Headers = dict[str, str]
Post = Callable[..., Any]

HOSPITAL = {
    "code": "H79.001",
    "name": "Bệnh viện Minh Họa",
    "name_en": "Demonstration Hospital",
    "agency_class": "HEALTH",
    "province_code": "79",
}


@pytest.fixture(scope="session")
def service_package() -> str:
    return "gateway"


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gateway")
    bootstrap.make_files(folder)
    return folder


@pytest.fixture
def service_settings(state_dir: Path, tmp_path: Path) -> dict[str, Any]:
    # Without the configuration server's certificate it does not start: these tests are about the slices.
    alone = tmp_path / "state"
    alone.mkdir()
    for name in ("agency-ca.crt", "agency-ca.key", "operators", "keys"):
        (alone / name).symlink_to(state_dir / name)
    catalogue = tmp_path / "openapi"
    catalogue.mkdir()
    declared = '{"door":"agency","personal_data":true,"field_groups":["%s"],"cost":1,"acr":1}'
    document = (
        '{"info":{"title":"Test"},"paths":{"/x":{"post":{"operationId":"check","x-ndx-operation":%s}}}}'
    )
    (catalogue / "insurance.json").write_text(document % (declared % "insurance_entitlement"))
    (catalogue / "population.json").write_text(document % (declared % "birth_date"))
    return {
        "state_dir": alone,
        "openapi_dir": catalogue,
        "ledger_pseudonym_key_file": state_dir / "keys" / "ledger-pseudonym.key",
        "ledger_signing_key_file": state_dir / "keys" / "ledger-signing.pem",
    }


@pytest.fixture
async def bus(app: FastAPI, runtime: Runtime) -> FastAPI:
    """Give the application with the platform's agencies and first operators."""
    assert isinstance(runtime.settings, Settings)
    await bootstrap.make_rows(runtime.settings)
    return app


@pytest.fixture
def post(bus: FastAPI, client: httpx.AsyncClient, as_operator: Callable[..., Headers]) -> Post:
    """Post as an operator: `await post("NDX:an", "/v1/agencies", {...})`; who decides reads it before."""

    async def send(who: str, path: str, body: Any = None, status: int = 200) -> Any:
        agency, login = who.split(":")
        headers = as_operator(agency, login)
        subject, _, action = path.rpartition("/")
        if action in {"approve", "reject"}:
            headers |= {"If-Match": (await client.get(subject, headers=headers)).headers.get("etag", "")}
        reply = await client.post(path, json=body, headers=headers)
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


@pytest.fixture
def read(bus: FastAPI, client: httpx.AsyncClient, as_operator: Callable[..., Headers]) -> Post:
    """Get as an operator."""

    async def send(who: str, path: str, status: int = 200) -> Any:
        agency, login = who.split(":")
        reply = await client.get(path, headers=as_operator(agency, login))
        assert reply.status_code == status, reply.text
        return reply.json()

    return send


@pytest.fixture
async def hospital(post: Post) -> dict[str, Any]:
    """Give a registered hospital."""
    made: dict[str, Any] = await post("NDX:an", "/v1/agencies", HOSPITAL, 201)
    return made
