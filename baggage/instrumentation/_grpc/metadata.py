"""Metadata as a carrier: what gRPC takes, within what it takes, and nobody else's object changed.

A peer refuses metadata at random between 8 and 16 KiB in all, so all is kept below 8.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

Items: TypeAlias = tuple[tuple[str, str | bytes], ...]

_log = logging.getLogger("baggage.instrumentation")
# A part of the 8 KiB is the library's own: method, authority, user agent, deadline.
_LIMIT: Final = 7168
_OVERHEAD: Final = 32  # of each item; RFC 7541, 4.1
_NAME: Final = re.compile(r"(?!grpc-)[0-9a-z_.-]+(?<!-bin)")
_MEMBERS: Final = "baggage"
_ROOM: Final = _LIMIT - _OVERHEAD - len(_MEMBERS)


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
        items = self._given if self._items is None else self._items
        return _ROOM - _size(items) if items else _ROOM

    def get(self, name: str) -> str | None:
        """Return a value, several joined by commas; None without any."""
        items = self._given if self._items is None else self._items
        return _joined(items, name) if items else None

    def set(self, name: str, value: str) -> None:
        """Replace a value; what gRPC would refuse the whole call for is left out."""
        items = self._given if self._items is None else self._items
        if name == _MEMBERS:
            if items or len(value) > _ROOM or "\t" in value:
                value = _fitting(value.replace("\t", " ").strip(), self.room)
        else:
            name, value = name.lower(), value.replace("\t", " ").strip()
            value = value if _NAME.fullmatch(name) else ""
        if not value:
            _log.warning("metadata left out", extra={"key": name, "size": len(value)})
            return
        kept = [item for item in items if item[0] != name] if items else ()
        self._items = (*kept, (name, value))
        if self._changed is not None:
            self._changed(self._items)


def texts(came: Sequence[tuple[str, str | bytes]] | None) -> dict[str, str]:
    """Return metadata that came by name, several values of one joined by commas.

    Values that are no text are left out.
    """
    found: dict[str, str] = {}
    for name, value in came or ():
        if isinstance(value, str):
            found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _joined(items: Sequence[tuple[str, str | bytes]], name: str) -> str | None:
    found: str | None = None
    for key, value in items:
        if key == name:
            text = value if isinstance(value, str) else value.decode("latin-1")
            found = text if found is None else f"{found},{text}"
    return found


def _size(items: Sequence[tuple[str, str | bytes]]) -> int:
    """Return how many bytes metadata takes, but for `baggage`."""
    size = 0
    for key, value in items:
        if key != _MEMBERS:
            size += len(key) + len(value) + _OVERHEAD
    return size


def _fitting(members: str, room: int) -> str:
    """Return as many members as there is room for; those at the end are ours, and sized to fit."""
    kept = members.split(",")
    while kept and len(",".join(kept)) > room:
        kept.pop(0)
    return ",".join(kept)
