"""Rules of slices for import-linter: what a slice owns, and what its files may be called."""

from collections.abc import Iterator

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output
from importlinter.application import contract_utils

OWNED = frozenset({"models", "repository"})
VOCABULARY = OWNED | {"schemas", "errors", "service", "endpoints", "consumers", "events", "jobs"}
OUTSIDE = frozenset(
    {"sqlalchemy", "asyncpg", "aiokafka", "fastapi", "starlette", "httpx", "grpc", "ndx_chassis"}
)
"""Packages by which a file reads, writes or answers somebody; pure rules import none of them."""
PURE = frozenset({"ndx_chassis.agreements", "ndx_chassis.caller", "ndx_chassis.errors", "ndx_chassis.ids"})
"""Modules of the chassis that are words and values."""


def _slices(graph: ImportGraph, services: list[str]) -> Iterator[str]:
    for service in services:
        yield from (child for child in sorted(graph.find_children(service)) if graph.find_children(child))


class SliceOwns(Contract):
    """Models and repository of a slice are imported by that slice only; others call its service.

    Options: `services`, the packages whose folders are slices; `ignore_imports`, what is accepted for now.
    """

    type_name = "slice_owns"

    services = fields.ListField(subfield=fields.StringField())
    ignore_imports = fields.SetField(subfield=fields.ImportExpressionField(), required=False)

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's form
        """Find each import of another slice's models or repository."""
        contract_utils.remove_ignored_imports(
            graph,
            self.ignore_imports,  # type: ignore[arg-type]  # fields describe themselves, not their values
            contract_utils.AlertLevel.ERROR,
        )
        found = [
            f"{importer} imports {owned}"
            for part in _slices(graph, self.services)  # type: ignore[arg-type]
            for owned in sorted(f"{part}.{name}" for name in OWNED)
            if owned in graph.modules
            for importer in sorted(graph.find_modules_that_directly_import(owned))
            if not importer.startswith(f"{part}.")
        ]
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each import and the way round it."""
        for line in check.metadata["found"]:
            output.print_error(line)
        output.print_error("Call the other slice's service, or let both import its pure vocabulary.")


class SliceVocabulary(Contract):
    """A file of a slice has a name of the vocabulary, or holds pure rules, or is declared with its reason.

    Options: `services`; `parts`, the declared files: `*` stands for every file of a slice.
    """

    type_name = "slice_vocabulary"

    services = fields.ListField(subfield=fields.StringField())
    parts = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002 - import-linter's form
        """Find each file that does outside work under a name of its own, and each needless declaration."""
        declared: set[str] = self.parts  # type: ignore[assignment]
        found: list[str] = []
        needed: set[str] = set()
        for part in _slices(graph, self.services):  # type: ignore[arg-type]
            for module in sorted(graph.find_children(part)):
                outside = _outside(graph, module)
                if module.rpartition(".")[2] in VOCABULARY or not outside:
                    continue
                covering = {module, f"{part}.*"} & declared
                needed |= covering
                if not covering:
                    found.append(f"{module} is no name of a slice, and is not pure: it imports {outside}")
        found.extend(f"{name} needs no declaration" for name in sorted(declared - needed))
        return ContractCheck(kept=not found, metadata={"found": found})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Name each file and the way round it."""
        for line in check.metadata["found"]:
            output.print_error(line)
        names = ", ".join(sorted(VOCABULARY))
        output.print_error(
            f"Files of a slice are {names}; pure rules have names of their own; other parts are declared"
            " in the root pyproject.toml."
        )


def _outside(graph: ImportGraph, module: str) -> str:
    found = graph.find_modules_directly_imported_by(module) - PURE
    own = module.rpartition(".")[0]
    working = {name for name in found if name.split(".")[0] in OUTSIDE}
    working |= {f"{own}.{name}" for name in ("repository", "service")} & found
    return ", ".join(sorted(working))
