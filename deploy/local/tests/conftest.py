"""Stacks of their own for tests: small made-up parts, so that a test takes a second."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ndx_local import stack as stack_module
from ndx_local.parts import Part
from ndx_local.ports import choose
from ndx_local.stack import Stack

SERVER = """
import http.server, sys
print("serving", flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


class StackMaker:
    """Makes stacks of made-up parts, and the parts."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.opened: list[Stack] = []

    def __call__(self, *parts: Part) -> Stack:
        def declare(*_: object, **__: object) -> list[Part]:
            return list(parts)

        self.monkeypatch.setattr(stack_module, "declare", declare)
        self.opened.append(Stack.open(f"test-{len(self.opened)}"))
        return self.opened[-1]

    @staticmethod
    def server(name: str, *after: str, before: str = "") -> Part:
        """Return a part that serves HTTP on a port of its own, after running the code `before`."""
        port = choose([])
        command = [sys.executable, "-I", "-c", before + SERVER, str(port)]
        return Part(name, command, list(after), ready=[f"tcp:{port}"], ports=[port])

    @staticmethod
    def task(name: str, code: str, *after: str) -> Part:
        """Return a part that runs once."""
        return Part(name, [sys.executable, "-I", "-c", code], list(after), once=True)


@pytest.fixture
def stacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[StackMaker]:
    """Give a maker of stacks in a folder of their own; they are down afterwards."""
    monkeypatch.setenv("NDX_LOCAL_DIR", str(tmp_path))
    maker = StackMaker(monkeypatch)
    yield maker
    for stack in maker.opened:
        stack.down()
