"""A state folder with its authorities, and callers who have certificates of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from gateway.authorities import service as authorities
from ndx_chassis.app import Runtime

from gateway import bootstrap

Do = Callable[..., Any]
WHY = {"reason": "the key is ten years old"}


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Give each test a state folder of its own: rotations change it."""
    folder = tmp_path / "own"
    bootstrap.make_files(folder)
    return folder


@pytest.fixture
def service_settings(state_dir: Path, service_settings: dict[str, Any]) -> dict[str, Any]:
    (state_dir / "xds-server.crt").unlink()
    return service_settings | {"state_dir": state_dir}


def csr() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    return made.public_bytes(serialization.Encoding.PEM).decode()


@pytest.fixture
async def issued(client: httpx.AsyncClient, post: Do, hospital: Any) -> dict[str, Any]:
    made = await post("NDX:an", "/v1/agencies/H79.001/systems", {"code": "his"}, 201)
    body = {"enrolment_code": made["enrolment_code"], "csr_pem": csr()}
    answer: dict[str, Any] = (await client.post("/v1/certificates", json=body)).json()
    return answer


def issuer_of(pem: str) -> str:
    return x509.load_pem_x509_certificate(pem.encode()).issuer.rfc4514_string()


def named(found: dict[str, Any], name: str) -> dict[str, Any]:
    return next(a for a in found["items"] if a["name"] == name)


async def trusted(runtime: Runtime) -> list[str]:
    async with runtime.sessions() as session:
        found = await authorities.trust(session)
    return [i.subject for i in found.issuers]
