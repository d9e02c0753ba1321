"""`revocation`: from an operator's command until Envoy refuses, on an open connection and on a new one."""

import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import httpx
from harness import Result, result, timed
from ndx_client import keys
from ndx_demo.door import Door
from ndx_demo.enrolment import Credentials
from system import System

TRIALS, PATIENCE_SECONDS = 60, 10.0
PATH = "/population/v1/admin-units?limit=1"
"""Refused or not, Envoy decides on it alone; what counts is when the reason changes."""


class Caller:
    """Calls one after the other on one connection, and notes when it was first refused with a code."""

    def __init__(self, door: Door, code: str) -> None:
        self._door, self._code = door, code
        self.refused_at: float | None = None
        self.calling = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._call, daemon=True)

    def _call(self) -> None:
        while not self._ended.is_set() and self.refused_at is None:
            reply = self._door.get(PATH)
            if reply.status_code >= httpx.codes.BAD_REQUEST and reply.json()["code"] == self._code:
                self.refused_at = time.perf_counter()
            self.calling.set()

    def after(self, command: Callable[[], object]) -> float | None:
        """Return the milliseconds from the command's sending to the first refused answer, if it came."""
        self._thread.start()
        self.calling.wait()
        if self.refused_at is not None:
            raise RuntimeError(f"refused with {self._code} before the command")
        started = time.perf_counter()
        command()
        self._thread.join(PATIENCE_SECONDS)
        self._ended.set()
        return None if self.refused_at is None else (self.refused_at - started) * 1000


class Bench:
    """The operator's hands."""

    def __init__(self, system: System, operator: Door, folder: Path) -> None:
        self.url, self.public = system.description["gateway_url"], system.description["citizen_url"]
        self.operator, self.folder = operator, folder
        self.ca = system.stack.paths.pki / "gateway-ca.crt"

    def command(self, path: str, **body: str) -> None:
        reply = self.operator.post(path, {"reason": "benchmark", **body})
        reply.raise_for_status()

    def door(self, found: Credentials) -> Door:
        return Door(self.url, found.certificate, found.key, found.ca)

    def enrol(self, public: httpx.Client) -> tuple[Credentials, str]:
        """Return a new system's files and its certificate's serial."""
        name = f"b{uuid4().hex[:10]}"
        made = self.operator.post("/v1/agencies/H79.001/systems", {"code": name}).json()
        key = keys.new_key()
        body = {"enrolment_code": made["enrolment_code"], "csr_pem": keys.request_pem(key, name)}
        issued = public.post("/v1/certificates", json=body).raise_for_status().json()
        found = Credentials(self.folder / f"{name}.key", self.folder / f"{name}.crt", self.ca)
        keys.write_secret(found.key, keys.key_pem(key))
        keys.write_public(found.certificate, issued["certificate_pem"])
        return found, issued["serial"]

    def until_known(self, door: Door) -> None:
        while door.get(PATH).json().get("code") == "agency-unknown":
            time.sleep(0.01)

    def until_shut_out(self, found: Credentials, started: float) -> float | None:
        """Return the milliseconds until the certificate opens no new connection."""
        while time.perf_counter() - started < PATIENCE_SECONDS:
            try:
                with self.door(found) as door:
                    door.get(PATH)
            except httpx.HTTPError:
                return (time.perf_counter() - started) * 1000
        return None


def _result(name: str, tried: list[float | None], words: str) -> Result:
    took = [t for t in tried if t is not None]
    rounds = [timed(1000 * len(took) / (sum(took) or 1), took, errors=len(tried) - len(took))]
    return result(name, "trials/s", rounds, f"{words}; {len(tried)} trials, from the command's sending")


def _revocations(bench: Bench, public: httpx.Client) -> list[Result]:
    open_, new = [], []
    for _ in range(TRIALS):
        found, serial = bench.enrol(public)
        with bench.door(found) as door:
            bench.until_known(door)
            caller, started = Caller(door, "certificate-revoked"), time.perf_counter()

            def revoke(serial: str = serial) -> None:
                nonlocal started
                started = time.perf_counter()
                bench.command(f"/v1/certificates/{serial}/revoke", cause="KEY_COMPROMISE")

            open_.append(caller.after(revoke))
        new.append(bench.until_shut_out(found, started))
    return [
        _result("revocation", open_, "a certificate revoked, first refused answer on its open connection"),
        _result("revocation-handshake", new, "a certificate revoked, first refused handshake"),
    ]


def _suspensions(bench: Bench, found: Credentials) -> Result:
    tried = []
    for _ in range(TRIALS):
        with bench.door(found) as door:
            caller = Caller(door, "agency-suspended")
            tried.append(caller.after(lambda: bench.command("/v1/agencies/B01/suspend")))
            bench.command("/v1/agencies/B01/reactivate")
            while door.get(PATH).json().get("code") == "agency-suspended":
                time.sleep(0.01)
    return _result("suspension", tried, "an agency suspended, first refused answer on an open connection")


def measure(system: System) -> list[Result]:
    an = system.enrolment.operators["NDX-an"]
    with (
        tempfile.TemporaryDirectory() as folder,
        Door(system.description["gateway_url"], an.certificate, an.key, an.ca) as operator,
    ):
        bench = Bench(system, operator, Path(folder))
        context = operator.context_without_certificate()
        with httpx.Client(base_url=bench.public, verify=context, trust_env=False) as public:
            revoked = _revocations(bench, public)
        return [*revoked, _suspensions(bench, system.enrolment.systems["B01/core"])]
