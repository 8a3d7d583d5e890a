"""Metadata as a carrier: what gRPC takes, within what it takes, and nobody else's object changed.

A peer refuses metadata at random between 8 and 16 KiB in all, so all is kept below 8.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

Items: TypeAlias = tuple[tuple[str, str | bytes], ...]

_log = logging.getLogger("baggage.instrumentation")
# A part of the 8 KiB is the library's own: method, authority, user agent, deadline.
_LIMIT: Final = 7168
_OVERHEAD: Final = 32  # of each item; RFC 7541, 4.1
_NAME: Final = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_MEMBERS: Final = "baggage"


class Metadata:
    """The metadata of one message, by lower-case name. What was given stays as it is.

    `changed` is told of each change, with all that is to be sent.
    """

    __slots__ = ("_changed", "_given", "_items")

    def __init__(self, given: Any, changed: Callable[[Items], object] | None = None) -> None:
        """Take what the application or a peer gave: any sequence of names and values, or None."""
        self._given = given
        self._items: Items | None = None
        self._changed = changed

    @property
    def items(self) -> Items:
        """All names and values in order."""
        return tuple(self._given or ()) if self._items is None else self._items

    @property
    def sent(self) -> Any:
        """What to send: the very object that was given, where nothing was added."""
        return self._given if self._items is None else self._items

    @property
    def room(self) -> int:
        """How many bytes are left for the value of `baggage`."""
        others = [item for item in self.items if item[0] != _MEMBERS]
        return _LIMIT - _size([*others, (_MEMBERS, "")])

    def get(self, name: str) -> str | None:
        """Return a value, several joined by commas; None without any."""
        items = self._given if self._items is None else self._items
        if not items:
            return None
        found = [_text(value) for key, value in items if key == name]
        return ",".join(found) if found else None

    def set(self, name: str, value: str) -> None:
        """Replace a value; what gRPC would refuse the whole call for is left out."""
        name, value = name.lower(), value.replace("\t", " ").strip()
        if name == _MEMBERS:
            value = _fitting(value, self.room)
        if not (value and _NAME.fullmatch(name)):
            _log.warning("metadata left out", extra={"key": name, "size": len(value)})
            return
        kept = [item for item in self.items if item[0] != name]
        self._items = (*kept, (name, value))
        if self._changed is not None:
            self._changed(self._items)


class Arrived(Mapping[str, str]):
    """A view of metadata that came, by name; values that are no text are left out."""

    __slots__ = ("_items",)

    def __init__(self, came: Sequence[tuple[str, str | bytes]] | None) -> None:
        """View metadata as the library hands it out."""
        self._items = came or ()

    def __getitem__(self, name: str) -> str:
        for key, value in self._items:
            if key == name and isinstance(value, str):
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(key for key, value in self._items if isinstance(value, str)))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _size(items: Sequence[tuple[str, str | bytes]]) -> int:
    return sum(len(key) + len(value) + _OVERHEAD for key, value in items)


def _fitting(members: str, room: int) -> str:
    """Return as many members as there is room for; those at the end are ours, and sized to fit."""
    kept = members.split(",")
    while kept and len(",".join(kept)) > room:
        kept.pop(0)
    return ",".join(kept)
