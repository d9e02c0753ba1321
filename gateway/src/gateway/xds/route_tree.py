"""The tree by which Envoy finds a route: by the literal beginning of the path, then among the few below it.

Envoy tries a list of routes one after the other, and a service with fifty of them costs more than most of
the bus's other work; a tree of prefixes costs the same for any number. It finds what the list would find:
a leaf holds, in the list's order, every route that a path with this longest known beginning can match.
"""

from collections.abc import Sequence

from gateway.xds import matchers
from gateway.xds.matchers import Node, Tree
from gateway.xds.wire import Wire

Routes = Sequence[tuple[str, Wire]]
"""Path template and encoded route, in the order in which they are tried."""


def _beginning(path: str) -> str:
    """Return what stands before the first variable."""
    return path.partition("{")[0]


def route_tree(routes: Routes) -> Tree:
    """Return the tree of at least one route."""
    templates = [(_beginning(path), route) for path, route in routes if "{" in path]
    fixed: dict[str, list[Wire]] = {}
    for path, route in routes:
        if "{" not in path:
            fixed.setdefault(path, []).append(route)
    exact: dict[str, Node] = {}
    prefixes = {
        key: matchers.routes([route for beginning, route in templates if key.startswith(beginning)])
        for key, _ in templates
    }
    for path, found in fixed.items():
        leaf = matchers.routes(found)
        if any(path.startswith(beginning) for beginning, _ in templates):
            # `/persons/verify` with or without a query; but `/persons/verifying` is a person's number.
            exact[path] = leaf
            prefixes[f"{path}?"] = leaf
        else:
            prefixes[path] = leaf
    return matchers.by_path(exact, prefixes)
