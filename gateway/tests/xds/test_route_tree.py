"""The tree of paths finds the route that the list of all routes would find."""

import re
from typing import Any

from gateway.xds import wire
from gateway.xds.protos import Matcher, Route
from gateway.xds.route_tree import route_tree
from gateway.xds.stop_filter import path_regex
from hypothesis import given
from hypothesis import strategies as st

SEGMENT = st.sampled_from(["persons", "verify", "verifying", "v1", "{id}", "{other}"])
TEMPLATES = st.lists(
    st.lists(SEGMENT, min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts)),
    min_size=1,
    max_size=12,
    unique=True,
)
ASKED = st.tuples(
    st.lists(st.sampled_from(["persons", "verify", "verifying", "v1", "7"]), min_size=1, max_size=4),
    st.sampled_from(["", "?", "?fields=name", "?a=/persons/verify"]),
).map(lambda asked: "/" + "/".join(asked[0]) + asked[1])


def first(paths: list[str], asked: str) -> str | None:
    return next((p for p in paths if re.fullmatch(path_regex(p), asked)), None)


def found_by(tree: dict[str, Any], asked: str) -> str | None:
    """Walk the tree as Envoy does, then try the leaf's routes in turn."""
    leaf, by_path = None, tree.get("matcher_tree", {})
    if "exact_match_map" in by_path:
        leaf = by_path["exact_match_map"]["map"].get(asked)
    elif "prefix_match_map" in by_path:
        known = by_path["prefix_match_map"]["map"]
        longest = max((p for p in known if asked.startswith(p)), key=len, default=None)
        leaf = known[longest] if longest is not None else None
    leaf = leaf or tree.get("on_no_match")
    if leaf is None:
        return None
    if "matcher" in leaf:
        return found_by(leaf["matcher"], asked)
    return first([r["name"] for r in leaf["action"]["typed_config"]["routes"]], asked)


def tree_of(paths: list[str]) -> dict[str, Any]:
    return wire.decode(Matcher, route_tree([(p, wire.encode(Route, {"name": p})) for p in paths]))


class TestRouteTree:
    @given(TEMPLATES, ASKED)
    def test_it_finds_what_the_list_finds(self, paths: list[str], asked: str) -> None:
        # As the compiler orders them: literal segments before variables.
        paths.sort(key=lambda path: [(part.startswith("{"), part) for part in path.split("/")])
        assert found_by(tree_of(paths), asked) == first(paths, asked)

    def test_a_word_that_begins_like_a_known_path_is_a_value(self) -> None:
        paths = ["/persons/verify", "/persons/{id}"]
        assert found_by(tree_of(paths), "/persons/verify?x") == "/persons/verify"
        assert found_by(tree_of(paths), "/persons/verifying") == "/persons/{id}"

    def test_a_route_is_held_once_unless_two_beginnings_lead_to_it(self) -> None:
        text = str(tree_of(["/a", "/a/{id}", "/b/{id}/c", "/b/{id}"]))
        assert [text.count(f"'name': '{p}'") for p in ("/a", "/a/{id}", "/b/{id}/c")] == [1, 1, 1]
