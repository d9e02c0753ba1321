"""Judges, when all tests of a service have run, whether each operation left what the house asks for.

Works in one process and under pytest-xdist, whose workers send the controlling process what they saw. When
only a part of a service's tests was asked for, or a test failed, nothing is judged.
"""

import json
from pathlib import Path
from typing import Any

import pytest
from ndx_chassis.contracts import PACKAGES

from ndx_testing.observation import Observations
from ndx_testing.verdict import judge, read_known_gaps

OBSERVATIONS = pytest.StashKey[Observations]()
_VERDICT = pytest.StashKey[list[str]]()
_WORKER_KEY = "ndx_observations"
_ROOT = Path(__file__).resolve().parents[4]
_CONTRACTS = _ROOT / "contracts"
_PARTIAL = ("keyword", "markexpr", "lf", "last_failed", "stepwise", "deselect", "ignore", "ignore_glob")


def pytest_configure(config: pytest.Config) -> None:
    """Begin with nothing seen."""
    config.stash[OBSERVATIONS] = Observations()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker process saw."""
    node.config.stash[OBSERVATIONS].merge(getattr(node, "workeroutput", {}).get(_WORKER_KEY, {}))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Send what was seen to the controlling process, or judge it there."""
    config = session.config
    if hasattr(config, "workeroutput"):
        config.workeroutput[_WORKER_KEY] = config.stash[OBSERVATIONS].to_data()
        return
    if exitstatus != pytest.ExitCode.OK:
        return
    faults = [fault for service in whole_services(config) for fault in _judge(config, service)]
    config.stash[_VERDICT] = faults
    if faults:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what is wrong, one line per operation and rule."""
    faults = config.stash.get(_VERDICT, [])
    if faults:
        terminalreporter.section("the house")
        for fault in faults:
            terminalreporter.line(f"HOUSE {fault}")
        terminalreporter.line("A gap that has to stay for now is listed in contracts/known_gaps.toml.")


def whole_services(config: pytest.Config) -> list[str]:
    """Return the services of which every test was asked for: the folder itself, or one above it."""
    if config.option.collectonly or any(config.getoption(name, None) for name in _PARTIAL):
        return []
    here = config.invocation_params.dir
    asked = {(here / argument).resolve() for argument in config.args if "::" not in argument}
    found = []
    for service, package in PACKAGES.items():
        tests = _ROOT / package.replace("_", "-") / "tests"
        if asked & {tests, *tests.parents}:
            found.append(service)
    return found


def _judge(config: pytest.Config, service: str) -> list[str]:
    document = json.loads((_CONTRACTS / "openapi" / f"{service}.json").read_text(encoding="utf-8"))
    known = read_known_gaps(_CONTRACTS / "known_gaps.toml")
    return judge(service, document, config.stash[OBSERVATIONS], known)
