"""Builders for the matcher trees by which the RBAC filters decide, encoded as Envoy reads them."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NewType

from gateway.xds import names, protos, wire
from gateway.xds.protos import (
    DynamicMetadataInput,
    FieldMatcher,
    FilterStateInput,
    HeaderInput,
    Matcher,
    MatcherList,
    MatcherTree,
    MatchMap,
    MetadataMatcher,
    MetadataSegment,
    OnMatch,
    Predicate,
    PredicateList,
    RbacAction,
    RegexMatcher,
    RouteList,
    SinglePredicate,
    StringMatcher,
    TypedExtension,
    UriSanInput,
    ValueMatcher,
    ValueText,
)
from gateway.xds.wire import Wire, put

Node = NewType("Node", Wire)
"""What follows a match: an action or a further matcher."""
Tree = NewType("Tree", Wire)
"""A matcher with its `on_no_match`."""
Test = NewType("Test", Wire)
"""A predicate."""
Entries = NewType("Entries", Wire)
"""Values with what follows them."""

NONE = Entries(wire.NOTHING)
FINGERPRINT_KEY = "ndx.peer_fingerprint"
ISSUER_KEY = "ndx.peer_issuer"
SERIAL_KEY = "ndx.peer_serial"
_DENY = 1


def _extension(name: str, kind: type[protos.Message], value: Wire) -> Wire:
    typed = put(TypedExtension, "typed_config", wire.any_of(kind, value))
    return Wire(put(TypedExtension, "name", name) + typed)


@lru_cache(maxsize=65_536)
def allow(name: str) -> Node:
    """Return the outcome that lets the request pass; its name becomes dynamic metadata."""
    return Node(put(OnMatch, "action", _extension("a", RbacAction, put(RbacAction, "name", name))))


@lru_cache(maxsize=64)
def deny(code: str) -> Node:
    """Return the outcome that refuses; its name is the refusal's code."""
    action = Wire(put(RbacAction, "name", code) + wire.put_number(RbacAction, "action", _DENY))
    return Node(put(OnMatch, "action", _extension("a", RbacAction, action)))


@lru_cache(maxsize=64)
def _header_input(header: str) -> Wire:
    return _extension("i", HeaderInput, put(HeaderInput, "header_name", header))


@lru_cache(maxsize=1)
def _san_input() -> Wire:
    return _extension("i", UriSanInput, wire.NOTHING)


@lru_cache(maxsize=4)
def _kept_input(key: str) -> Wire:
    """Return what the connection has kept under a key since its handshake."""
    return _extension("i", FilterStateInput, put(FilterStateInput, "key", key))


@lru_cache(maxsize=8)
def _policy_input(key: str) -> Wire:
    path = put(MetadataSegment, "key", key)
    return _extension(
        "i",
        DynamicMetadataInput,
        Wire(put(DynamicMetadataInput, "filter", names.POLICIES) + put(DynamicMetadataInput, "path", path)),
    )


def entry(value: str, then: Node) -> Entries:
    """Return one value with what follows it; entries are joined into `Entries` of more."""
    return Entries(wire.put_entry(MatchMap, "map", value, then))


def entries(cases: Mapping[str, Node]) -> Entries:
    """Return all of them, sorted by value."""
    return Entries(wire.join(entry(value, then) for value, then in sorted(cases.items())))


def _tree(source: Wire, cases: Entries, otherwise: Node | None) -> Tree:
    # Envoy refuses an empty map, and with it the whole resource.
    found = wire.NOTHING
    if cases:
        exact = put(MatcherTree, "exact_match_map", cases)
        found = put(Matcher, "matcher_tree", put(MatcherTree, "input", source) + exact)
    if otherwise is not None:
        found = Wire(found + put(Matcher, "on_no_match", otherwise))
    return Tree(found)


def outcome(kind: type[protos.Message], value: Wire) -> Node:
    """Return an outcome of another kind than RBAC's."""
    return Node(put(OnMatch, "action", _extension("o", kind, value)))


def by_named_header(header: str, cases: Entries) -> Tree:
    """Return a matcher on one header's exact value that says nothing about others."""
    return _tree(_header_input(header), cases, None)


def routes(found: Iterable[Wire]) -> Node:
    """Return the outcome of a route's search: the routes that are tried in turn."""
    tried = wire.join(put(RouteList, "routes", route) for route in found)
    return Node(put(OnMatch, "action", _extension("routes", RouteList, tried)))


def by_path(exact: Mapping[str, Node], prefixes: Mapping[str, Node]) -> Tree:
    """Return a matcher on the path: first its exact value, then the longest prefix."""
    source = _header_input(":path")
    found = put(MatcherTree, "input", source) + put(MatcherTree, "prefix_match_map", entries(prefixes))
    tree = Tree(put(Matcher, "matcher_tree", found))
    if not prefixes or not exact:
        return tree if prefixes else _tree(source, entries(exact), None)
    return _tree(source, entries(exact), nested(tree))


def always(then: Node) -> Tree:
    """Return a matcher that looks at nothing."""
    return Tree(put(Matcher, "on_no_match", then))


def by_san(cases: Entries, otherwise: Node | None) -> Tree:
    """Return a matcher on the URI in the client certificate."""
    return _tree(_san_input(), cases, otherwise)


def san_fits(regex: str) -> Test:
    """Return a predicate: the whole URI in the client certificate fits the expression."""
    return _is(_san_input(), _regex(regex))


def nested(tree: Tree) -> Node:
    """Return a matcher as what follows a match of another one."""
    return Node(put(OnMatch, "matcher", tree))


def by_fingerprint(cases: Mapping[str, Node], otherwise: Node | None) -> Node | None:
    """Return a matcher on the SHA-256 of the client certificate."""
    if not cases:
        return otherwise
    return nested(_tree(_kept_input(FINGERPRINT_KEY), entries(cases), otherwise))


def by_serial(cases: Entries, otherwise: Node) -> Node:
    """Return a matcher on the client certificate's serial number."""
    if not cases:
        return otherwise
    return nested(_tree(_kept_input(SERIAL_KEY), cases, otherwise))


def issuer_is(subject: str) -> Test:
    """Return a predicate: this authority signed the client certificate."""
    return _is(_kept_input(ISSUER_KEY), put(StringMatcher, "exact", subject))


def tree_by_header(header: str, cases: Mapping[str, Node], otherwise: Node) -> Tree:
    """Return a matcher on one header's exact value; a missing header matches nothing."""
    return _tree(_header_input(header), entries(cases), otherwise)


def by_header(header: str, cases: Mapping[str, Node], otherwise: Node) -> Node:
    """Return the same as what follows a match."""
    return nested(tree_by_header(header, cases, otherwise))


def _is(source: Wire, value: Wire) -> Test:
    single = put(SinglePredicate, "input", source) + put(SinglePredicate, "value_match", value)
    return Test(put(Predicate, "single_predicate", single))


def _regex(regex: str) -> Wire:
    engine = put(RegexMatcher, "google_re2", wire.NOTHING)
    return put(StringMatcher, "safe_regex", engine + put(RegexMatcher, "regex", regex))


def header_is(header: str, value: str) -> Test:
    """Return a predicate: the header has this value."""
    return _is(_header_input(header), put(StringMatcher, "exact", value))


def header_has(header: str, text: str) -> Test:
    """Return a predicate: the value holds this text."""
    return _is(_header_input(header), put(StringMatcher, "contains", text))


def header_fits(header: str, regex: str) -> Test:
    """Return a predicate: the whole value fits the expression."""
    return _is(_header_input(header), _regex(regex))


def every(tests: list[Test]) -> Test:
    """Return the conjunction of at least two predicates."""
    return Test(put(Predicate, "and_matcher", wire.join(put(PredicateList, "predicate", t) for t in tests)))


def any_of(tests: list[Test]) -> Test:
    """Return the disjunction of predicates."""
    if len(tests) == 1:
        return tests[0]
    return Test(put(Predicate, "or_matcher", wire.join(put(PredicateList, "predicate", t) for t in tests)))


def none_of(tests: list[Test]) -> Test:
    """Return what holds when no predicate does."""
    return Test(put(Predicate, "not_matcher", any_of(tests)))


def tree_of_first(cases: Sequence[tuple[Test, Node]], otherwise: Node | None) -> Tree:
    """Return a matcher that tries predicates in order."""
    if not cases and otherwise is not None:
        return always(otherwise)
    found = wire.join(
        put(
            MatcherList,
            "matchers",
            put(FieldMatcher, "predicate", test) + put(FieldMatcher, "on_match", then),
        )
        for test, then in cases
    )
    last = wire.NOTHING if otherwise is None else put(Matcher, "on_no_match", otherwise)
    return Tree(Wire(put(Matcher, "matcher_list", found) + last))


def first_of(cases: Sequence[tuple[Test, Node]], otherwise: Node) -> Node:
    """Return the same as what follows a match."""
    return nested(tree_of_first(cases, otherwise)) if cases else otherwise


@lru_cache(maxsize=1024)
def _policy_is(key: str, name: str) -> Test:
    # Metadata is no text to Envoy: a map would never match it.
    text = put(ValueMatcher, "string_match", put(ValueText, "exact", name))
    custom = _extension("m", MetadataMatcher, put(MetadataMatcher, "value", text))
    single = put(SinglePredicate, "input", _policy_input(key)) + put(SinglePredicate, "custom_match", custom)
    return Test(put(Predicate, "single_predicate", single))


def by_policy(key: str, cases: Mapping[str, Node], otherwise: Node) -> Node:
    """Return a matcher on the name that an earlier filter left; where it left none, nothing matches."""
    return first_of([(_policy_is(key, name), then) for name, then in sorted(cases.items())], otherwise)


def if_present(header: str, then: Node, otherwise: Node) -> Node:
    """Return a matcher that asks only whether the header is there and not empty."""
    return first_of([(header_fits(header, ".+"), then)], otherwise)
