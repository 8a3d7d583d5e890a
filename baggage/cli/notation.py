"""How things are written: as in `proto/vectors` in JSON, as in the paper on a terminal."""

from __future__ import annotations

import json
from typing import Final, TypeAlias

from baggage.clock import Event, Id
from baggage.values import Type, Value

Tree: TypeAlias = "int | str | list[Tree]"
"""An id or an event tree in JSON; a number that JSON can't be trusted with is text."""

_EXACT: Final = 1 << 53
_LONGEST: Final = 60
_TYPES: Final = {int(type): type.name.lower() for type in Type}


def id_tree(identity: Id) -> Tree:
    """Return an id as in the paper: 0, 1, or what its halves own."""
    if isinstance(identity, int):
        return identity
    return [id_tree(identity[0]), id_tree(identity[1])]


def event_tree(event: Event, base: int = 0) -> Tree:
    """Return an event tree as in the paper, with numbers relative to the node above."""
    if isinstance(event, int):
        number = event - base
        return number if number < _EXACT else str(number)
    low, left, right, _ = event
    return [event_tree(low, base), event_tree(left, low), event_tree(right, low)]


def in_words(tree: Tree) -> str:
    """Return a tree in the paper's notation."""
    return f"({', '.join(map(in_words, tree))})" if isinstance(tree, list) else str(tree)


def typed(value: Value) -> dict[str, object]:
    """Return a value with its kind, for JSON."""
    if isinstance(value, bytes):
        return {"raw": value.hex()}
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, bool):
        return {"truth": value}
    return {"integer": str(value)} if isinstance(value, int) else {"real": repr(value)}


def short(value: Value) -> str:
    """Return a value for a terminal, which nothing in it can disturb, and not too long."""
    if isinstance(value, bytes):
        return cut(f"0x{value.hex()}", f"{len(value)} bytes") if value else "no bytes"
    if isinstance(value, str):
        return cut(json.dumps(value), f"{len(value)} letters")
    return json.dumps(value) if isinstance(value, bool) else repr(value)


def cut(text: str, size: str = "") -> str:
    """Return the beginning of a text, and how long it is."""
    if len(text) <= _LONGEST:
        return text
    end = f"... ({size or f'{len(text)} letters'})"
    return text[: _LONGEST - len(end)] + end


def plain(text: str) -> str:
    """Return a name as it is, or quoted if anything in it could disturb a terminal."""
    name, divided, field = text.partition("\0")
    if divided and name:
        return f"{plain(name)}[{json.dumps(field)}]"
    return text if text and text.isascii() and text.isprintable() else json.dumps(text)


def type_name(type: int) -> str:
    """Return the name of a type; its number, if it has no name yet."""
    return _TYPES.get(type, f"type {type}")
