"""The CA by which the platform's parts know each other is rotated under calls, and not one fails."""

import itertools
import json
import re
import shutil
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from ndx_client.main import app
from ndx_contracts.topics import SERVICES
from ndx_demo.door import Door
from typer.testing import CliRunner

PERSON = "/population/v1/persons/{}?fields=birth_name"
BIRTHS = "/civil-registry/v1/births"
PAUSE = 0.2
MORE_AT_ONCE = 4
"""Calls that wait at once, beyond the connections that Envoy has to the service."""


@dataclass
class Trickle:
    """Reads, births and calls to the control plane, one after the other; what was no success is kept."""

    system: Any
    person: str
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        calls: list[Callable[[Door], httpx.Response]] = [
            lambda door: door.get(PERSON.format(self.person), purpose="CIVIL_REGISTRATION"),
            lambda door: self.system.declare(door, self.system.declaration()),
            lambda door: door.get("/v1/allowed-operations"),
        ]
        for call in itertools.cycle(calls):
            if self._ended.wait(PAUSE):
                return
            # A caller's own connection is new each time, so Envoy's door is looked at as well.
            with self.system.door("X26740/one-stop") as door:
                try:
                    self.note(call(door))
                except httpx.HTTPError as error:
                    self.failures.append(f"{time.strftime('%X')} {type(error).__name__}: {error}")

    def note(self, answer: httpx.Response) -> None:
        self.answers[answer.status_code] += 1
        # 202 where the registry could not get a number at once: the birth waits, and completes by itself.
        if answer.status_code not in {200, 201, 202}:
            self.failures.append(f"{time.strftime('%X')} {answer.status_code}: {answer.text[:200]}")

    def end(self) -> None:
        self._ended.set()


@pytest.fixture
def trickle(system, walked) -> Iterator[Trickle]:
    made = Trickle(system, walked.child_personal_id)
    thread = threading.Thread(target=made.run, daemon=True)
    thread.start()
    yield made
    made.end()
    thread.join(timeout=60)


@dataclass
class Operator:
    """Runs the documented commands as the demonstration's operator."""

    system: Any

    def __call__(self, *arguments: str, exit_code: int = 0) -> str:
        found, description = self.system.enrolment.operators["NDX-an"], self.system.description
        settings = {
            "NDX_GATEWAY_URL": description["gateway_url"],
            "NDX_CITIZEN_URL": description["citizen_url"],
            "NDX_CERT": str(found.certificate),
            "NDX_KEY": str(found.key),
            "NDX_CA": str(found.ca),
        }
        done = CliRunner().invoke(app, ["--json", "ca", *arguments], env=settings)
        assert done.exit_code == exit_code, done.output
        return done.output


class Inside:
    """The platform's parts, met as one of them does."""

    def __init__(self, system: Any) -> None:
        self._system = system
        self._ports = system.description["ports"]
        self.pki: Path = system.stack.paths.pki

    def doors(self) -> dict[str, int]:
        """Return the ports that speak mutual TLS, by the name of the part."""
        own = {name: self._ports[name] for name in SERVICES}
        return {**own, "xds": self._ports["xds"], "standby": self._ports["standby"]}

    def newest(self) -> x509.Certificate:
        return x509.load_pem_x509_certificates((self.pki / "internal-ca.crt").read_bytes())[-1]

    def shown_by(self, name: str, *, trust: Path, pair: Path) -> str | None:
        """Return who signed what a part shows; None when it does not let in whom `pair` names."""
        context = ssl.create_default_context(cafile=str(trust))
        context.load_cert_chain(f"{pair}.crt", f"{pair}.key")
        called = "xds" if name == "standby" else name
        grpc = name in {"xds", "standby"}
        context.set_alpn_protocols(["h2"] if grpc else ["http/1.1"])
        host = f"{called}.ndx.internal"
        try:
            with (
                socket.create_connection(("127.0.0.1", self.doors()[name]), timeout=30) as raw,
                context.wrap_socket(raw, server_hostname=host) as tls,
            ):
                # With TLS 1.3 a refusal comes after the handshake; gRPC speaks first, HTTP when it is asked.
                if not grpc:
                    tls.sendall(f"GET /health/live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                if not tls.recv(1):
                    return None
                shown = x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")
        except (ssl.SSLError, ConnectionError):
            return None
        return shown.issuer.rfc4514_string()

    def handshakes(self) -> Counter[str]:
        """Return how many Envoy made with the services, and how many failed by their certificates."""
        wanted = r"^cluster\.svc-.*ssl\.(handshake|connection_error|fail_.*)$"
        url = f"http://127.0.0.1:{self._ports['admin']}/stats"
        found = httpx.get(url, params={"filter": wanted}, trust_env=False, timeout=30).text
        counted: Counter[str] = Counter()
        for name, number in re.findall(r"^(\S+): (\d+)$", found, re.MULTILINE):
            counted["good" if name.endswith("handshake") else "bad"] += int(number)
            if name == "cluster.svc-civil-registry.ssl.handshake":
                counted["registry"] += int(number)
        return counted

    def registry(self, what: str) -> int:
        """Return what Envoy counts now of its connections and calls to the registry."""
        url = f"http://127.0.0.1:{self._ports['admin']}/stats"
        name = f"cluster.svc-civil-registry.{what}"
        found = httpx.get(url, params={"filter": f"^{name}$"}, trust_env=False, timeout=30).text
        return int(found.rpartition(":")[2])

    def connect_anew(self, trickle: Trickle) -> None:
        """Let more births wait at once than there are connections to the registry."""
        before, many = self.handshakes(), self.registry("upstream_cx_active") + MORE_AT_ONCE

        def declare(_: int) -> httpx.Response:
            with self._system.door("X26740/one-stop") as door:
                answer: httpx.Response = self._system.declare(door, self._system.declaration())
                return answer

        with ThreadPoolExecutor(many) as pool:
            with self._system.closed("civil-registry", "births"):
                begun = [pool.submit(declare, n) for n in range(many)]
                self._system.wait_for(lambda: self.registry("upstream_rq_active") >= many)
            for future in begun:
                trickle.note(future.result())
        after = self.handshakes()
        assert after["registry"] > before["registry"]
        assert after["bad"] == before["bad"]


class TestInternalAuthority:
    def test_it_is_rotated_by_the_documented_commands_and_no_call_fails(
        self, system, trickle: Trickle, tmp_path: Path
    ) -> None:
        ndx, inside = Operator(system), Inside(system)
        former, pair = tmp_path / "former-ca.crt", tmp_path / "former"
        shutil.copy(inside.pki / "internal-ca.crt", former)
        for end in ("crt", "key"):
            shutil.copy(inside.pki / f"gateway-client.{end}", f"{pair}.{end}")
        old = inside.newest().subject.rfc4514_string()
        shown = {name: inside.shown_by(name, trust=former, pair=pair) for name in inside.doors()}
        assert set(shown.values()) == {old}, shown

        ndx("rotate-internal", "--reason", "exercise")
        new = inside.newest().subject.rfc4514_string()
        assert new != old
        inside.connect_anew(trickle)
        assert "authority-in-use" in ndx("retire-internal", "--reason", "too early", exit_code=1)

        # Everybody shows the new one's certificate before the old one goes, and lets in both.
        both, fresh = inside.pki / "internal-ca.crt", inside.pki / "gateway-client"
        for name in inside.doors():
            system.wait_for(lambda name=name: inside.shown_by(name, trust=both, pair=pair) == new)
            assert inside.shown_by(name, trust=both, pair=fresh) == new
        inside.connect_anew(trickle)
        system.wait_for(lambda: self._retired(ndx))
        for name in inside.doors():
            system.wait_for(lambda name=name: inside.shown_by(name, trust=both, pair=pair) is None)
            assert inside.shown_by(name, trust=both, pair=fresh) == new, name
        inside.connect_anew(trickle)

        made = trickle.answers.total()
        system.wait_for(lambda: trickle.answers.total() > made + 3 or trickle.failures)
        assert trickle.failures == []
        assert [g["signs"] for g in json.loads(ndx("internal"))] == [True]

    @staticmethod
    def _retired(ndx: Operator) -> bool:
        try:
            ndx("retire-internal", "--reason", "all parts have settled")
        except AssertionError:
            return False
        return True
