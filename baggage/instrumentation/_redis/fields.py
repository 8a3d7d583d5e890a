"""Fields of ours in an entry of a stream: how they get in, and out again.

An entry has no headers, so each header is a field behind the application's own: `baggage`,
`baggage-message`, whatever flows send. One more field, `baggage-fields`, lists those names, so that
nobody takes a field of the application's for ours. Where the application has a field of that name,
ours gets "_" behind its name. An application that isn't instrumented sees all of them.

Belongs here: pairs and mappings. Does not: commands and answers.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

LIST: Final = "baggage-fields"
"""The field that lists the names of ours."""
_LISTS: Final[Mapping[type, str | bytes]] = {str: LIST, bytes: LIST.encode()}
_MAX_LIST: Final = 4096


def text(value: object) -> str:
    """Return an argument or an answer as text; "" for what is none."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value if isinstance(value, str) else ""


def with_headers(fields: Sequence[Any], headers: Mapping[str, str]) -> tuple[Any, ...]:
    """Return an entry's names and values, in turns, with these headers behind them."""
    taken = {text(name) for name in fields[::2]}
    ours: list[str] = []
    for name, value in headers.items():
        while name in taken:
            name += "_"
        ours += (name, value)
    return (*fields, *ours, LIST, ",".join(ours[::2])) if ours else tuple(fields)


def parted(fields: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """Return an entry's own names and values, in turns, and the headers in it."""
    listed = [value for name, value in _pairs(fields) if text(name) == LIST]
    ours = _ours([text(name) for name in fields[::2]], listed[-1] if listed else None)
    own: list[Any] = []
    headers: dict[str, str] = {}
    for name, value in _pairs(fields):
        if text(name) not in ours:
            own += (name, value)
        elif text(name) != LIST:
            headers[_header(text(name))] = text(value)
    return own, headers


def taken_out(fields: dict[Any, Any]) -> dict[str, str]:
    """Take the fields of ours out of an answer's; return the headers that they are."""
    listed = fields.get(_LISTS.get(type(next(iter(fields), None))))
    if listed is None:
        return {}
    names = {text(name): name for name in fields}
    found = {name: text(fields.pop(names[name])) for name in _ours(names, listed)}
    found.pop(LIST, None)
    return {_header(name): value for name, value in found.items()}


def _ours(names: Collection[str], listed: object) -> frozenset[str]:
    """Return which of an entry's names are ours; none, where one that is listed is missing."""
    said = text(listed)
    if not said or len(said) > _MAX_LIST:
        return frozenset()
    ours = said.split(",")
    return frozenset([*ours, LIST]) if all(name in names for name in ours) else frozenset()


def _header(field: str) -> str:
    return field.rstrip("_")


def _pairs(fields: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(fields[::2], fields[1::2], strict=True)
