"""Builders for the matcher trees by which the RBAC filters decide."""

from typing import Any

from gateway.xds.names import EXTENSION, TYPE

Node = dict[str, Any]
"""What follows a match: `{"action": …}` or `{"matcher": …}`."""
Tree = dict[str, Any]
"""A matcher with its `on_no_match`."""

_ACTION = TYPE + "envoy.config.rbac.v3.Action"
_URI_SAN = EXTENSION + "matching.common_inputs.ssl.v3.UriSanInput"
_FILTER_STATE = EXTENSION + "matching.common_inputs.network.v3.FilterStateInput"
_HEADER = TYPE + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput"
FINGERPRINT_KEY = "ndx.peer_fingerprint"


def allow(name: str) -> Node:
    """Return the outcome that lets the request pass; its name becomes dynamic metadata."""
    return {"action": {"name": "a", "typed_config": {"@type": _ACTION, "name": name}}}


def deny(code: str) -> Node:
    """Return the outcome that refuses; its name is the refusal's code."""
    return {"action": {"name": "a", "typed_config": {"@type": _ACTION, "name": code, "action": "DENY"}}}


def _input(kind: str, **config: str) -> dict[str, Any]:
    return {"name": "i", "typed_config": {"@type": kind, **config}}


def header_input(header: str) -> dict[str, Any]:
    return _input(_HEADER, header_name=header)


def _tree(source: dict[str, Any], cases: dict[str, Node], otherwise: Node | None) -> Tree:
    # Envoy refuses an empty map, and with it the whole resource.
    tree: Tree = {}
    if cases:
        tree["matcher_tree"] = {"input": source, "exact_match_map": {"map": cases}}
    if otherwise is not None:
        tree["on_no_match"] = otherwise
    return tree


def by_san(cases: dict[str, Node], otherwise: Node | None) -> Tree:
    """Return a matcher on the URI in the client certificate."""
    return _tree(_input(_URI_SAN), cases, otherwise)


def by_fingerprint(cases: dict[str, Node], otherwise: Node) -> Node:
    """Return a matcher on the SHA-256 of the client certificate."""
    if not cases:
        return otherwise
    return {"matcher": _tree(_input(_FILTER_STATE, key=FINGERPRINT_KEY), cases, otherwise)}


def by_header(header: str, cases: dict[str, Node], otherwise: Node) -> Node:
    """Return a matcher on one header's exact value; a missing header matches nothing."""
    return {"matcher": _tree(header_input(header), cases, otherwise)}


def _is(source: dict[str, Any], match: dict[str, Any]) -> dict[str, Any]:
    return {"single_predicate": {"input": source, "value_match": match}}


def header_is(header: str, value: str) -> dict[str, Any]:
    """Return a predicate: the header has this value."""
    return _is(header_input(header), {"exact": value})


def header_fits(header: str, regex: str) -> dict[str, Any]:
    """Return a predicate: the whole value fits the expression."""
    return _is(header_input(header), {"safe_regex": {"google_re2": {}, "regex": regex}})


def every(predicates: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the conjunction of at least two predicates."""
    return {"and_matcher": {"predicate": predicates}}


def first_of(cases: list[tuple[dict[str, Any], Node]], otherwise: Node) -> Node:
    """Return a matcher that tries predicates in order."""
    if not cases:
        return otherwise
    matchers = [{"predicate": predicate, "on_match": then} for predicate, then in cases]
    return {"matcher": {"matcher_list": {"matchers": matchers}, "on_no_match": otherwise}}


def if_present(header: str, then: Node, otherwise: Node) -> Node:
    """Return a matcher that asks only whether the header is there and not empty."""
    return first_of([(header_fits(header, ".+"), then)], otherwise)
