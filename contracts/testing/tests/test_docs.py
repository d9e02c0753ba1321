"""Pages stay true: commands, paths, operations and code that they show are those of the checkout."""

import ast
import importlib.util
import json
import re
import shlex
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from ndx_client.main import app

ROOT = Path(__file__).resolve().parents[3]
PAGES = sorted(
    page
    for pattern in ("README.md", "docs/*.md", "docs/[acop]*/*.md", "svc-*/README.md", "contracts/*/README.md")
    for page in ROOT.glob(pattern)
    if page.parent.name != "adr"
)
CHECKLISTS = [ROOT / "docs" / name for name in ("add-an-endpoint.md", "add-an-event.md")]
FENCE = re.compile(
    r"^(?P<indent> *)(?:<!-- from (?P<source>\S+) -->\n(?P=indent))?"
    r"```(?P<kind>\w*)\n(?P<body>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
INLINE = re.compile(r"`([^`\n]+)`")
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
OPERATORS = {"|", ">", ">>", "&&", ";", "||", "<"}
FOLDERS = ("contracts/", "gateway/", "svc-", "deploy/", "tests-e2e/", "docs/")
COMING = {"explain"}
"""Commands that pages name already."""
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))


def blocks(page: Path) -> Iterator[re.Match[str]]:
    yield from FENCE.finditer(page.read_text(encoding="utf-8"))


def spans(page: Path) -> list[str]:
    return INLINE.findall(FENCE.sub("", page.read_text(encoding="utf-8")))


def lines(page: Path) -> list[str]:
    """Return what somebody could type: code in the text, and lines of blocks that are no code of a file."""
    shown = [b["body"] for b in blocks(page) if b["kind"] in {"", "sh"}]
    return [line.strip() for body in shown for line in body.replace("\\\n", " ").splitlines()] + spans(page)


def words(line: str) -> list[str]:
    lexer = shlex.shlex(line.replace("…", "x"), posix=True, punctuation_chars=";|&<>()")
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return []


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """Return the arguments of each call of a program in what somebody could type."""
    for line in lines(page):
        found = words(line)
        for place, word in enumerate(found):
            if word.rpartition("/")[2] == program and "=" not in word:
                rest = found[place + 1 :]
                end = next((i for i, w in enumerate(rest) if w in OPERATORS or w[0] in "()#"), len(rest))
                yield rest[:end]


def fault_of(arguments: list[str]) -> str:
    """Say what is wrong with a call of `ndx`; a word of several with | stands for each of them."""
    command: Any = typer.main.get_command(app)
    known = {option for p in command.params for option in p.opts}
    rest = iter(arguments)
    for word in rest:
        if word.startswith("-"):
            if word.partition("=")[0] not in known:
                return f"{command.name} has no option {word}"
            option = next(p for p in command.params if word in p.opts)
            if hasattr(command, "commands") and not getattr(option, "is_flag", False):
                next(rest, None)
        elif hasattr(command, "commands"):
            if word in COMING:
                return ""
            if word not in command.commands:
                return f"{command.name} has no command {word}"
            command = command.commands[word]
            known = {option for p in command.params for option in p.opts} | {"--help"}
    return ""


def operations() -> list[tuple[str, re.Pattern[str]]]:
    found = []
    for file in (ROOT / "contracts" / "openapi").glob("*.json"):
        for path, item in json.loads(file.read_text(encoding="utf-8"))["paths"].items():
            pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))
            found += [(method.upper(), pattern) for method in item]
    return found


@by_page
class TestPages:
    def test_commands_of_ndx_exist_with_their_options(self, page: Path) -> None:
        wrong = []
        for arguments in commands(page, "ndx"):
            variants: list[list[str]] = [[]]
            for word in arguments:
                choices = word.split("|") if re.fullmatch(r"[a-z]+(\|[a-z-]+)+", word) else [word]
                variants = [[*v, c] for v in variants for c in choices]
            wrong += [f"ndx {' '.join(v)}: {fault_of(v)}" for v in variants if fault_of(v)]
        assert not wrong

    def test_targets_of_make_exist(self, page: Path) -> None:
        targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
        named = {w for found in commands(page, "make") for w in found if re.fullmatch("[a-z0-9]+", w)}
        assert named <= targets

    def test_modules_that_are_run_exist(self, page: Path) -> None:
        for program in ("python", "python3"):
            for arguments in commands(page, program):
                if arguments[:1] == ["-m"]:
                    assert importlib.util.find_spec(arguments[1]) is not None, arguments

    def test_paths_exist(self, page: Path) -> None:
        named = [s for s in spans(page) if s.startswith(FOLDERS) and re.fullmatch(r"[\w./*-]+", s)]
        assert [n for n in named if "/" in n and not list(ROOT.glob(n.strip("/")))] == []

    def test_links_lead_somewhere(self, page: Path) -> None:
        targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        assert [t for t in targets if not (page.parent / t).exists()] == []

    def test_operations_exist(self, page: Path) -> None:
        known = operations()
        wrong = []
        for line in spans(page):
            method, _, path = line.partition(" ")
            if method in METHODS and path.startswith("/"):
                whole = path.partition("?")[0]
                own = f"/{page.parent.name.removeprefix('svc-').removesuffix('-link')}/v1{whole}"
                if not any(m == method and (p.fullmatch(whole) or p.fullmatch(own)) for m, p in known):
                    wrong.append(line)
        assert not wrong

    def test_python_is_python(self, page: Path) -> None:
        for block in blocks(page):
            if block["kind"] == "python" and block["source"] is None:
                ast.parse(textwrap.dedent(block["body"]))


class TestChecklists:
    @pytest.mark.parametrize("page", CHECKLISTS, ids=lambda p: p.stem)
    def test_code_is_the_code_of_the_file_named_above_it(self, page: Path) -> None:
        shown = [b for b in blocks(page) if b["kind"] == "python"]
        assert len(shown) >= 2
        for block in shown:
            assert block["source"], f"no file is named above {block['body'][:60]!r}"
            real = (ROOT / block["source"]).read_text(encoding="utf-8")
            code = [line.strip() for line in textwrap.dedent(block["body"]).strip().splitlines()]
            assert "\n".join(code) in "\n".join(line.strip() for line in real.splitlines()), block["body"]

    @pytest.mark.parametrize("page", CHECKLISTS, ids=lambda p: p.stem)
    def test_names_exist(self, page: Path) -> None:
        """Functions, fixtures, classes, doors and files that the text names are in the code."""
        folders = ("contracts/chassis/src", "contracts/schemas/src", "contracts/testing/src")
        code = "\n".join(f.read_text("utf-8") for folder in folders for f in (ROOT / folder).rglob("*.py"))
        names = {m[1] for s in spans(page) if (m := re.fullmatch(r"([A-Za-z_]+)(\(\.\.\.\))?", s))}
        names |= {s.rpartition(".")[2] for s in spans(page) if s.startswith("ndx_")}
        assert {n for n in names if not re.search(rf"\b{n}\b", code)} == set()
        files = {s for s in spans(page) if re.fullmatch(r"[a-z_]+\.py", s)}
        assert {f for f in files if not list(ROOT.glob(f"svc-tax-link/src/svc_tax_link/**/{f}"))} == set()


def test_each_decision_has_a_number_of_its_own() -> None:
    pages = sorted((ROOT / "docs" / "adr").glob("*.md"))
    numbers = [int(p.name[:4]) for p in pages]
    # A number may be taken by a decision that is still being written, so one may be missing for a while.
    assert len(set(numbers)) == len(numbers)
    titles = [p.read_text(encoding="utf-8").partition(".")[0] for p in pages]
    assert titles == [f"# {n}" for n in numbers]


class TestTheChecks:
    """A check that finds nothing wrong must be able to."""

    @pytest.mark.parametrize(
        ("line", "fault"),
        [
            ("ndx certificate renew --now", ""),
            ("ndx --json systems add H79.001 his --renew", ""),
            ("ndx certificate renews", "certificate has no command renews"),
            ("ndx certificate renew --later", "renew has no option --later"),
            ("ndx --loud allowed", "has no option --loud"),
        ],
    )
    def test_of_ndx(self, line: str, fault: str) -> None:
        found = fault_of(line.split()[1:])
        assert found.endswith(fault)
        assert bool(found) is bool(fault)

    def test_of_what_is_typed(self, tmp_path: Path) -> None:
        page = tmp_path / "page.md"
        page.write_text(
            "`ndx allowed`\n\n```sh\nas operators/a ndx --json ca list > x  # ndx\nmake up\n```\n"
        )
        assert list(commands(page, "ndx")) == [["--json", "ca", "list"], ["allowed"]]
        assert list(commands(page, "make")) == [["up"]]
