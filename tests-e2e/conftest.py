"""A whole stack of its own for the end-to-end tests: free ports, enrolled agencies, one walk done."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from ndx_demo import walk
from ndx_demo.door import Door
from ndx_demo.enrolment import Enrolment, enrol
from ndx_local.stack import Stack


@dataclass(frozen=True, slots=True)
class System:
    """The running system as a test sees it."""

    stack: Stack
    description: dict[str, Any]
    enrolment: Enrolment

    def door(self, name: str) -> Door:
        found = self.enrolment.systems.get(name) or self.enrolment.operators[name]
        return Door(self.description["gateway_url"], found.certificate, found.key, found.ca)

    def context(self) -> walk.Context:
        return walk.Context(
            gateway_url=self.description["gateway_url"],
            citizen_url=self.description["citizen_url"],
            trace_url=self.description["trace_url"],
            home=self.stack.paths.home,
            enrolment=self.enrolment,
        )


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    """Start the stack `e2e`, or use a running one named by NDX_E2E_STACK."""
    name = os.environ.get("NDX_E2E_STACK", "e2e")
    stack = Stack.open(name)
    stack.up()
    try:
        description = stack.description
        yield System(
            stack, description, enrol(description["gateway_url"], description["citizen_url"], stack.paths.pki)
        )
    finally:
        if "NDX_E2E_STACK" not in os.environ:
            stack.down()


@pytest.fixture(scope="session")
def walked(system: System) -> walk.WalkResult:
    """The main walk, run once."""
    return walk.run(system.context())
