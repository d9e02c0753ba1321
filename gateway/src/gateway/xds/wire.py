"""Writes protobuf messages from parts that are encoded already, so that nothing is encoded twice.

A message is the concatenation of its fields, and a field that holds a message is that message's bytes with
their length in front: whoever keeps the bytes of the parts has a new whole by joining them.
"""

import json
from collections.abc import Iterable
from functools import cache, lru_cache
from typing import Any, NewType

from google.protobuf import any_pb2, json_format

Wire = NewType("Wire", bytes)
"""The bytes of a message, or of some of its fields."""

Kind = Any
"""A class of messages; their published types deny that such a class can be a key."""
NOTHING = Wire(b"")
_VARINT, _BYTES = 0, 2
_SEVEN_BITS = 0x80


def _varint(number: int) -> bytes:
    if number < _SEVEN_BITS:
        return bytes((number,))
    found = bytearray()
    while number >= _SEVEN_BITS:
        found.append(number & 0x7F | _SEVEN_BITS)
        number >>= 7
    found.append(number)
    return bytes(found)


@cache
def _tag(kind: Kind, field: str, form: int) -> bytes:
    return _varint(kind.DESCRIPTOR.fields_by_name[field].number << 3 | form)


def put(kind: Kind, field: str, value: bytes | str) -> Wire:
    """Return one field of a message of that kind: a text, or an encoded message."""
    raw = value.encode() if isinstance(value, str) else value
    return Wire(_tag(kind, field, _BYTES) + _varint(len(raw)) + raw)


def put_number(kind: Kind, field: str, value: int) -> Wire:
    """Return one field that holds a number, a truth value or an enumeration."""
    return Wire(_tag(kind, field, _VARINT) + _varint(value))


_KEY, _VALUE = b"\x0a", b"\x12"  # a map's entry is a message of these two fields


def put_entry(kind: Kind, field: str, key: str, value: bytes) -> Wire:
    """Return one entry of a map from text to messages."""
    name = key.encode()
    return put(
        kind,
        field,
        b"".join((_KEY, _varint(len(name)), name, _VALUE, _varint(len(value)), value)),
    )


def join(parts: Iterable[bytes]) -> Wire:
    """Return the fields after each other."""
    return Wire(b"".join(parts))


def any_of(kind: Kind, value: bytes) -> Wire:
    """Return an encoded message inside an Any."""
    url = f"type.googleapis.com/{kind.DESCRIPTOR.full_name}"
    return Wire(put(any_pb2.Any, "type_url", url) + put(any_pb2.Any, "value", value))


def encode(kind: Kind, document: dict[str, Any]) -> Wire:
    """Return a message that is given in its JSON form; the latest few thousand are kept."""
    return _encoded(kind, json.dumps(document, sort_keys=True))


@lru_cache(maxsize=4096)
def _encoded(kind: Kind, document: str) -> Wire:
    message = json_format.Parse(document, kind())
    return Wire(message.SerializeToString(deterministic=True))


def decode(kind: Kind, wire: bytes) -> dict[str, Any]:
    """Return a message in its JSON form."""
    return json_format.MessageToDict(kind.FromString(wire), preserving_proto_field_name=True)
