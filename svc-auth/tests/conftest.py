"""Fixtures of svc-auth's tests: keys, an activated holder, a browser."""

import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from ndx_chassis.ids import new_id
from ndx_client.citizen import one_time_password
from ndx_contracts.events import AccountActivated

HIDDEN = re.compile(r'<input type="hidden" name="(transaction|token)" value="([^"]*)">')
VERIFIER = "a-verifier-that-is-long-enough-for-rfc-7636-indeed"
CHALLENGE = "wzRf-RtuIdz2QMR-xjQOIarngUysD8zgHoK4XC9gqAc"
REDIRECT_URI = "http://127.0.0.1:43001/callback"
CODE = "7QK2-M0XD-9TRA"
PASSCODE = "583206"
HANDLE = "079190000017"


@pytest.fixture(scope="session")
def service_package() -> str:
    return "svc_auth"


@pytest.fixture(scope="session")
def signing_key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path_factory.mktemp("keys") / "auth-signing.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


@pytest.fixture
def service_settings(signing_key_file: Path) -> dict[str, Any]:
    return {"signing_key_file": signing_key_file, "citizen_url": "https://localhost:8444"}


@pytest_asyncio.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://localhost:8444") as made:
        yield made


@dataclass
class Holder:
    account_id: UUID
    handle: str
    passcode: str
    totp_secret: str
    _next: float = 0.0

    def otp(self) -> str:
        """The one-time password of the earliest step that was not used yet."""
        moment = max(time.time(), self._next)
        self._next = moment + 30
        return one_time_password(self.totp_secret, moment)


Enrol = Callable[..., Awaitable[Holder]]


@pytest.fixture
def enrol(browser: httpx.AsyncClient, deliver: Callable[..., Awaitable[None]]) -> Enrol:
    async def run(handle: str = HANDLE, level: int = 2) -> Holder:
        account_id = new_id()
        await deliver(
            AccountActivated(
                account_id=account_id,
                account_version=1,
                personal_id=handle,
                level=level,
                activation_hash=PasswordHasher(time_cost=1, memory_cost=1024).hash(CODE.replace("-", "")),
            )
        )
        reply = await browser.post(
            "/auth/v1/activations",
            json={"handle": handle, "activation_code": CODE.lower(), "passcode": PASSCODE},
        )
        assert reply.status_code == 201, reply.text
        assert reply.json()["account_id"] == str(account_id)
        return Holder(account_id, handle, PASSCODE, reply.json()["totp_secret"])

    return run


@pytest_asyncio.fixture
async def holder(enrol: Enrol) -> Holder:
    return await enrol()


class Flow:
    """One browser and one relying party, step by step; every member can be changed to a wrong one."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http
        self.redirect_uri = REDIRECT_URI
        self.verifier = VERIFIER

    def query(self, **changes: str | None) -> dict[str, str]:
        members: dict[str, str | None] = {
            "client_id": "ndx-demo",
            "redirect_uri": self.redirect_uri,
            "response_type": "code",
            "scope": "openid",
            "state": "st-4711",
            "nonce": "no-4711",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
            "acr_values": "2",
            **changes,
        }
        return {k: v for k, v in members.items() if v is not None}

    async def open(self, **changes: str | None) -> httpx.Response:
        return await self.http.get("/auth/v1/authorize", params=self.query(**changes))

    async def form(self, **changes: str | None) -> dict[str, str]:
        page = await self.open(**changes)
        assert page.status_code == 200, page.text
        return dict(
            re.findall(r'<input type="hidden" name="(transaction|token)" value="([^"]*)">', page.text)
        )

    async def submit(self, form: dict[str, str], **fields: str) -> httpx.Response:
        return await self.http.post("/auth/v1/authorize", data={**form, **fields})

    async def log_in(self, holder: Holder, **changes: str | None) -> httpx.Response:
        form = await self.form(**changes)
        return await self.submit(form, handle=holder.handle, passcode=holder.passcode, otp=holder.otp())

    async def code(self, holder: Holder) -> str:
        reply = await self.log_in(holder)
        assert reply.status_code == 303, reply.text
        return answer_of(reply)["code"]

    async def redeem(self, code: str, /, **changes: str | None) -> httpx.Response:
        members: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "client_id": "ndx-demo",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
            **changes,
        }
        return await self.http.post(
            "/auth/v1/token", data={k: v for k, v in members.items() if v is not None}
        )

    async def userinfo(self, token: str) -> httpx.Response:
        return await self.http.get("/auth/v1/userinfo", headers={"Authorization": f"Bearer {token}"})

    @staticmethod
    def answer(reply: httpx.Response) -> dict[str, str]:
        """Members of the redirection back to the relying party."""
        return answer_of(reply)


def answer_of(reply: httpx.Response) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(reply.headers["location"]).query))


@pytest.fixture
def flow(browser: httpx.AsyncClient) -> Flow:
    return Flow(browser)
