"""Every part is restarted one after the other under load, and not one call fails."""

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Self

import httpx
from gateway.settings import Settings
from gateway.xds.bootstrap import bootstrap
from ndx_demo.door import Door
from ndx_local.parts import envoy_command
from ndx_testing.envoy import free_ports

COPIED = "civil-registry"
DRAIN = "2"
"""Seconds: a service's for Envoy, and an Envoy's for the load balancer here."""
PERSON = "/population/v1/persons/{}?fields=birth_name"
BIRTHS = "/civil-registry/v1/births"
PAUSE = 0.1
CONTROL_PLANE_WAIT = 8.0
"""Seconds for which Envoy lets a call wait for the only control plane; here it may be away for longer."""


@dataclass
class Balancer:
    """Sends calls to Envoys that say that they take some, as a load balancer does."""

    urls: dict[int, str]
    """By the port at which an Envoy says whether it is ready."""
    ready: list[int] = field(default_factory=list)
    _turn: Iterator[int] = field(default_factory=itertools.count)
    _stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        found = []
        for port in self.urls:
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/ready", timeout=1, trust_env=False)
            except httpx.TimeoutException:
                # One look that takes long says nothing: the machine may have stood still.
                if port in self.ready:
                    found.append(port)
                continue
            except httpx.HTTPError:
                continue
            if answer.status_code == httpx.codes.OK:
                found.append(port)
        self.ready = found

    def watch(self) -> None:
        while not self._stop.wait(0.1):
            self.look()

    def stop(self) -> None:
        self._stop.set()

    def choose(self) -> int:
        """Return the port of the Envoy whose turn it is."""
        ready = self.ready
        assert ready, "no Envoy takes calls"
        return ready[next(self._turn) % len(ready)]


@dataclass
class Caller:
    """One system of an agency that calls again and again; it keeps what was no success."""

    system: Any
    balancer: Balancer
    call: Callable[[Door], httpx.Response]
    good: frozenset[int]
    answers: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        found = self.system.enrolment.systems["X26740/one-stop"]
        doors = {
            port: Door(url, found.certificate, found.key, found.ca)
            for port, url in self.balancer.urls.items()
        }
        while not self.stopped.wait(PAUSE):
            try:
                answer = self.call(doors[self.balancer.choose()])
            except httpx.HTTPError as error:
                self.failures.append(f"{time.strftime('%X')} {type(error).__name__}: {error}")
                continue
            self.answers[answer.status_code] += 1
            if answer.status_code not in self.good:
                self.failures.append(f"{time.strftime('%X')} {answer.status_code}: {answer.text[:200]}")
            elif answer.status_code in {201, 202}:
                self.kept.append(answer.json()["birth_id"])
        for door in doors.values():
            door.close()


@dataclass
class Load:
    """Reads, births and calls to the control plane, all at the same time."""

    callers: list[Caller]
    threads: list[threading.Thread]

    @classmethod
    def start(cls, system: Any, balancer: Balancer, person: str, birth: str) -> Self:
        def read_person(door: Door) -> httpx.Response:
            return door.get(PERSON.format(person), purpose="CIVIL_REGISTRATION")

        def read_birth(door: Door) -> httpx.Response:
            return door.get(f"{BIRTHS}/{birth}", purpose="CIVIL_REGISTRATION")

        def declare(door: Door) -> httpx.Response:
            answer: httpx.Response = system.declare(door, system.declaration())
            return answer

        def ask(door: Door) -> httpx.Response:
            return door.get("/v1/allowed-operations")

        fine = frozenset({200})
        callers = [
            Caller(system, balancer, read_person, fine),
            Caller(system, balancer, read_birth, fine),
            # 202 where the registry could not get a number at once: the birth waits, and completes by itself.
            Caller(system, balancer, declare, frozenset({201, 202})),
            Caller(system, balancer, ask, fine),
        ]
        threads = [threading.Thread(target=c.run, daemon=True) for c in callers]
        threads.append(threading.Thread(target=balancer.watch, daemon=True))
        for thread in threads:
            thread.start()
        return cls(callers, threads)

    def none_failed(self) -> bool:
        """Tell whether more calls of each kind were made, and all went well."""
        before = [c.answers.total() for c in self.callers]
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and not self.failures():
            if all(c.answers.total() > b + 2 for c, b in zip(self.callers, before, strict=True)):
                return True
            time.sleep(0.05)
        return False

    def failures(self) -> list[str]:
        return [failure for c in self.callers for failure in c.failures]

    def forgive_control_plane(self) -> None:
        """Leave out who was told that the control plane is away: it was, for longer than calls wait."""
        asking = self.callers[-1]
        asking.failures = [f for f in asking.failures if "503: " not in f and "504: " not in f]

    def stop(self, balancer: Balancer) -> None:
        for caller in self.callers:
            caller.stopped.set()
        balancer.stop()
        for thread in self.threads:
            thread.join(timeout=30)


@contextmanager
def second_copy(system: Any) -> Iterator[str]:
    """Run a second copy of a service; the control plane knows of both. Give its name."""
    stack, (port,) = system.stack, free_ports(1)
    upstreams = json.loads(stack.planned("gateway").env["GATEWAY_UPSTREAMS"])
    both = {**upstreams, COPIED: f"{upstreams[COPIED]},127.0.0.1:{port}"}
    stack.change_part(COPIED, CIVIL_REGISTRY_DRAIN_SECONDS=DRAIN)
    stack.change_part("gateway", GATEWAY_UPSTREAMS=json.dumps(both), GATEWAY_DRAIN_SECONDS=DRAIN)
    first = stack.planned(COPIED)
    env = {**first.env, "CIVIL_REGISTRY_PORT": str(port)}
    second = replace(first, name=f"{COPIED}-2", env=env, ready=[f"tcp:{port}"], ports=[port], after=[])
    try:
        # From here on the first copy drains, and the control plane knows the second one.
        with ThreadPoolExecutor() as pool:
            begun = [pool.submit(restart, stack, name) for name in (COPIED, "gateway")]
            stack.add_part(second)
            for future in begun:
                future.result()
        yield second.name
    finally:
        stack.change_part("gateway", GATEWAY_UPSTREAMS=json.dumps(upstreams), GATEWAY_DRAIN_SECONDS="0")
        stack.change_part(COPIED, CIVIL_REGISTRY_DRAIN_SECONDS="0")
        restart(stack, "gateway")
        stack.remove_part(second.name)


def restart(stack: Any, name: str) -> None:
    """Do what `make restart` does."""
    stack.stop_part(name)
    stack.start_part(name)


@contextmanager
def second_envoy(system: Any) -> Iterator[Balancer]:
    """Run another Envoy with doors of its own beside the first one."""
    stack, taken = system.stack, system.description["ports"]
    admin, health, listener, citizen = free_ports(4)
    stack.change_part("envoy", GATEWAY_ENVOY_DRAIN_SECONDS=DRAIN)
    first = stack.planned("envoy")
    settings = Settings(
        database_url="postgresql://nobody@localhost/nothing",
        state_dir=stack.paths.pki,
        node="envoy-2",
        admin_port=admin,
        health_port=health,
        door_ports=(listener, citizen),
        xds_port=taken["xds"],
        standby_port=taken["standby"],
    )
    file = stack.paths.home / "envoy-2.json"
    file.write_text(json.dumps(bootstrap(settings)))
    stack.add_part(
        replace(
            first,
            name="envoy-2",
            command=envoy_command(str(file)),
            after=[],
            env={**first.env, "GATEWAY_ADMIN_PORT": str(admin), "GATEWAY_NODE": "envoy-2"},
            ready=[f"http://127.0.0.1:{admin}/ready", f"tcp:{listener}"],
            ports=[admin, health, listener, citizen],
        )
    )
    try:
        balancer = Balancer(
            {taken["health"]: system.description["gateway_url"], health: f"https://localhost:{listener}"}
        )

        def both_take_calls() -> bool:
            balancer.look()
            return len(balancer.ready) == 2

        system.wait_for(both_take_calls)
        yield balancer
    finally:
        for name in ("envoy", "envoy-2"):
            stack.change_part(name, GATEWAY_ENVOY_DRAIN_SECONDS="0")
        stack.remove_part("envoy-2")


class TestRollingRestart:
    def test_services_control_plane_and_envoys_are_restarted_and_no_call_fails(self, system, walked) -> None:
        with second_copy(system) as second:
            with second_envoy(system) as balancer:
                load = Load.start(system, balancer, walked.child_personal_id, walked.birth_id)
                try:
                    assert load.none_failed(), load.failures()
                    for name in (COPIED, second, "gateway", "envoy", "envoy-2"):
                        began = time.monotonic()
                        restart(system.stack, name)
                        if name == "gateway" and time.monotonic() - began > CONTROL_PLANE_WAIT:
                            load.forgive_control_plane()
                        system.wait_for(lambda: len(balancer.ready) == 2)
                        assert load.none_failed(), load.failures()
                finally:
                    load.stop(balancer)
                assert load.failures() == []
            self.the_envoy_that_left_is_not_missed(system)
        births = load.callers[2].kept
        assert system.count("civil-registry", "births", "record_id = ANY($1::text[]::uuid[])", births) == len(
            births
        )
        issued = "state = 'ISSUED' AND request_id = ANY($1::text[]::uuid[])"
        system.wait_for(
            lambda: system.count("population", "personal_id_requests", issued, births) == len(births)
        )

    @staticmethod
    def the_envoy_that_left_is_not_missed(system) -> None:
        with system.door("NDX-an") as operator:
            seen = operator.get("/v1/configuration").json()
        assert "envoy-1" in {envoy["node"] for envoy in seen["envoys"]}
        assert "envoy-2" not in {envoy["node"] for envoy in seen["envoys"]}
