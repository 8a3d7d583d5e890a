"""Fields of ours in an entry of a stream: how they get in, and out again.

An entry has no headers, so each header is a field behind the application's own: `baggage`,
`baggage-message`, whatever flows send. One more field, `baggage-fields`, lists those names, so that
nobody takes a field of the application's for ours. Where the application has a field of that name,
ours gets "_" behind its name. An application that isn't instrumented sees all of them.

Belongs here: pairs and mappings. Does not: commands and answers.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Final

LIST: Final = "baggage-fields"
"""The field that lists the names of ours."""
_MAX_LIST: Final = 4096


def text(value: object) -> str:
    """Return an argument or an answer as text, as redis-py sends it; "" for what it doesn't."""
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):  # as nearly all are: to ask for three types takes longer
        return value.decode("utf-8", "replace")
    if isinstance(value, bytearray | memoryview):
        return bytes(value).decode("utf-8", "replace")
    return repr(value) if isinstance(value, int | float) else ""


def with_headers(fields: Sequence[Any], headers: Mapping[str, str]) -> tuple[Any, ...]:
    """Return an entry's names and values, in turns, with these headers behind them."""
    if not headers:
        return tuple(fields)
    taken = {text(name) for name in fields[::2]}
    ours: list[str] = []
    for name, value in headers.items():
        ours += (_free(name, taken), value)
    return (*fields, *ours, _free(LIST, taken), ",".join(ours[::2]))


def parted(fields: Sequence[Any]) -> tuple[list[Any], dict[str, str]]:
    """Return an entry's own names and values, in turns, and the headers in it."""
    named = {text(name): value for name, value in _pairs(fields)}
    ours = _ours(named, named.__getitem__)
    if not ours:
        return list(fields), {}
    own: list[Any] = []
    for name, value in _pairs(fields):
        if text(name) not in ours:
            own += (name, value)
    return own, _headers({name: named[name] for name in ours})


def taken_out(fields: dict[Any, Any]) -> dict[str, str]:
    """Take the fields of ours out of an answer's; return the headers that they are."""
    if LIST not in fields and LIST.encode() not in fields:
        return {}
    names = {text(name): name for name in fields}
    ours = _ours(names, lambda name: fields[names[name]])
    return _headers({name: fields.pop(names[name]) for name in ours})


def _ours(named: dict[str, Any], value: Callable[[str], Any]) -> tuple[str, ...]:
    """Return which fields are ours: those that the last such field lists, all of which are there.

    What an application has of that name stands before it.
    """
    if LIST in named:
        for name in reversed(named):
            if name.rstrip("_") == LIST:
                listed = text(value(name))[:_MAX_LIST].split(",")
                if all(each in named and not each.startswith(LIST) for each in listed):
                    return (*dict.fromkeys(listed), name)  # a stranger may list one twice
    return ()


def _headers(ours: Mapping[str, Any]) -> dict[str, str]:
    named = {name.rstrip("_"): text(value) for name, value in ours.items()}
    named.pop(LIST, None)
    return named


def _free(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _pairs(fields: Sequence[Any]) -> Iterable[tuple[Any, Any]]:
    return zip(fields[::2], fields[1::2], strict=False)
