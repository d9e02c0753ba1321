"""Within a major version an event only grows: what breaks a reader of yesterday or a message of yesterday."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_WORDS = frozenset({"title", "description", "default", "examples", "$defs"})
"""Members that say nothing about which messages are valid."""
_STRUCTURE = frozenset({"properties", "required", "items", "prefixItems", "anyOf", "allOf", "oneOf", "enum"})


def breaks(old: Schema, new: Schema) -> list[str]:
    """Return what the newer schema of an event may not do, one sentence each; empty when it is additive."""
    return list(_compare(_Pair("", old, new, old.get("$defs", {}), new.get("$defs", {}))))


def _resolved(schema: Schema, defs: Schema) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    rest = {k: v for k, v in schema.items() if k != "$ref"}
    return {**defs[reference.rsplit("/", 1)[-1]], **rest}


@dataclass(frozen=True, slots=True)
class _Pair:
    """One place in both schemas, with references looked up."""

    place: str
    old: Schema
    new: Schema
    old_defs: Schema
    new_defs: Schema

    def at(self, place: str, old: Schema, new: Schema) -> "_Pair":
        old, new = _resolved(old, self.old_defs), _resolved(new, self.new_defs)
        return _Pair(place, old, new, self.old_defs, self.new_defs)

    @property
    def words(self) -> str:
        return self.place or "the event"


def _compare(pair: _Pair) -> Iterator[str]:
    old, new = pair.old, pair.new
    for word in sorted((set(old) | set(new)) - _WORDS - _STRUCTURE):
        if old.get(word) != new.get(word):
            yield f"{pair.words}: {word} was {old.get(word)!r} and is {new.get(word)!r}"
    gone = sorted(set(old.get("enum", ())) - set(new.get("enum", ())), key=str)
    if gone:
        yield f"{pair.words}: no longer knows {', '.join(map(str, gone))}"
    yield from _members(pair)
    for word in ("items", "prefixItems", "anyOf", "allOf", "oneOf"):
        yield from _alternatives(pair, word)


def _members(pair: _Pair) -> Iterator[str]:
    before, after = pair.old.get("properties", {}), pair.new.get("properties", {})
    required, still = set(pair.old.get("required", ())), set(pair.new.get("required", ()))
    for name in sorted(before.keys() | still):
        member = f"{pair.place}.{name}".lstrip(".")
        if name not in after:
            yield f"{member}: is gone"
        elif name in still - required:
            yield f"{member}: need not have been there and is required"
        elif name in required - still:
            yield f"{member}: was always there and need not be"
        if name in before and name in after:
            yield from _compare(pair.at(member, before[name], after[name]))


def _alternatives(pair: _Pair, word: str) -> Iterator[str]:
    earlier, later = pair.old.get(word, []), pair.new.get(word, [])
    if isinstance(earlier, Mapping) or isinstance(later, Mapping):
        earlier, later = [earlier] if earlier else [], [later] if later else []
    if len(earlier) != len(later):
        yield f"{pair.words}: {word} had {len(earlier)} and has {len(later)}"
        return
    for one, other in zip(earlier, later, strict=True):
        yield from _compare(pair.at(f"{pair.place}[]" if word == "items" else pair.place, one, other))
