"""The life of a certificate by the command line, and a rotation of the CA under a running system."""

import json
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from ndx_client import NdxClient, renewal
from ndx_client.main import app
from ndx_demo.door import Door
from typer.testing import CliRunner


class Terminal:
    """Runs `ndx` as somebody; what it writes to standard output comes back."""

    def __init__(self, system, certificate: Path | None, key: Path | None, ca: Path) -> None:
        description = system.description
        self._settings = {
            "NDX_GATEWAY_URL": description["gateway_url"],
            "NDX_CITIZEN_URL": description["citizen_url"],
            "NDX_CA": str(ca),
        }
        if certificate is not None:
            self._settings |= {"NDX_CERT": str(certificate), "NDX_KEY": str(key)}

    def __call__(self, *arguments: str, exit_code: int = 0) -> str:
        done = CliRunner().invoke(app, list(arguments), env=self._settings)
        assert done.exit_code == exit_code, done.output
        return done.stdout if exit_code == 0 else done.output

    def read(self, *arguments: str) -> Any:
        return json.loads(self("--json", *arguments))


@pytest.fixture
def operator(system) -> Terminal:
    found = system.enrolment.operators["NDX-an"]
    return Terminal(system, found.certificate, found.key, found.ca)


@pytest.fixture
def his(system, operator: Terminal, tmp_path: Path) -> tuple[Terminal, Path]:
    """Enrol a new system of the demonstration's hospital with nothing but the one-time code."""
    name = f"t{uuid4().hex[:8]}"
    code = operator.read("systems", "add", "H79.001", name)["enrolment_code"]
    assert name in operator("systems", "codes")
    ca = system.stack.paths.pki / "gateway-ca.crt"
    Terminal(system, None, None, ca)("enrol", "--code", code, "--out", str(tmp_path), "--name", "his")
    assert name not in operator("systems", "codes")
    return Terminal(system, tmp_path / "his.crt", tmp_path / "his.key", tmp_path / "his.ca.crt"), tmp_path


def wait_for(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        late = time.monotonic() >= deadline
        if condition():
            return
        if late:
            break
        time.sleep(0.05)
    raise AssertionError("did not come true in time")


def answer(door: Door) -> str:
    reply = door.get("/v1/services")
    return "200" if reply.status_code == 200 else reply.json()["code"]


def door_of(system, folder: Path) -> Door:
    files = (folder / "his.crt", folder / "his.key", folder / "his.ca.crt")
    return Door(system.description["gateway_url"], *files)


class TestCertificate:
    def test_it_is_renewed_with_an_overlap_and_the_former_can_be_revoked(self, system, his) -> None:
        ndx, folder = his
        with door_of(system, folder) as former:
            wait_for(lambda: answer(former) == "200")
            old = ndx.read("certificate", "show")["serial"]
            before = (folder / "his.crt").read_bytes()
            ndx("certificate", "renew")
            assert (folder / "his.crt").read_bytes() == before, "it was not due"
            ndx("certificate", "renew", "--now")
            with door_of(system, folder) as fresh:
                assert [answer(former), answer(fresh)] == ["200", "200"]
                ndx("certificate", "revoke", old, "--reason", "laptop lost", "--cause", "key-compromise")
                wait_for(lambda: answer(former) == "certificate-revoked", 5)
                assert answer(fresh) == "200"
        listed = {c["serial"]: c["state"] for c in ndx.read("certificate", "list")}
        assert listed.pop(old) == "REVOKED"
        assert set(listed.values()) <= {"ISSUED", "ACTIVE"}

    def test_a_code_serves_nobody_a_second_time(self, system, operator: Terminal, tmp_path: Path) -> None:
        code = operator.read("systems", "add", "H79.001", f"t{uuid4().hex[:8]}")["enrolment_code"]
        ndx = Terminal(system, None, None, system.stack.paths.pki / "gateway-ca.crt")
        ndx("enrol", "--code", code, "--out", str(tmp_path), "--name", "first")
        refused = ndx("enrol", "--code", code, "--out", str(tmp_path), "--name", "second", exit_code=1)
        assert "enrolment-code-invalid" in refused


class TestRotation:
    def test_nobody_is_broken_by_it(self, system, operator: Terminal, his) -> None:
        """Rotate, let everybody renew, retire: the agencies call on, an old certificate does not."""
        ndx, folder = his
        assert ndx  # its certificate is of the authority that issues before the rotation
        former = operator.read("ca", "list")[-1]["name"]
        credentials = {**system.enrolment.systems, **system.enrolment.operators}
        with door_of(system, folder) as old:
            wait_for(lambda: answer(old) == "200")
            operator("ca", "rotate", "--reason", "exercise")
            assert answer(old) == "200"
            assert operator.read("ca", "waiting", former)
            for found in credentials.values():
                url = system.description["gateway_url"]
                with NdxClient(url, found.certificate, found.key, found.ca) as client:
                    renewal.renew(found.certificate, found.key, None, client.renew_certificate)
            refused = operator("ca", "retire", former, "--reason", "all renewed", exit_code=1)
            assert "authority-in-use" in refused, "this test's own system has not renewed"
            operator("ca", "retire", former, "--reason", "one is left, by decision", "--cut-off")
            wait_for(lambda: answer(old) == "certificate-revoked", 5)
        with door_of(system, folder) as again, pytest.raises(httpx.HTTPError):
            again.get("/v1/services")
        for name in system.enrolment.systems:
            with system.door(name) as door:
                assert answer(door) == "200", name
