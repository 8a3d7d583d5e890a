"""Reads: which entries a command brings, and what the application gets of them.

Belongs here: from a command to its answer as it's shown. Does not: who sends it, and what becomes
of entries when they are taken.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakValueDictionary

from baggage.boundary import Boundary, Delivery, remember
from baggage.instrumentation._redis import commands
from baggage.instrumentation._redis.adapters import CONSUMING, Read
from baggage.instrumentation._redis.commands import CLAIMING, LOOKING, READING, SETTLING, Arguments
from baggage.instrumentation._redis.entries import Channels, Entries, Fields, Pairs
from baggage.instrumentation._redis.fields import parted, taken_out, text


class Reader:
    """Whoever reads from streams in this process. Safe in any thread."""

    def __init__(self, boundary: Boundary) -> None:
        """Start with no stream."""
        self.boundary = boundary
        self.channels = Channels()
        self._unsettled: WeakValueDictionary[tuple[str, str, str], Delivery] = WeakValueDictionary()

    def ask(self, client: Any, args: Arguments) -> Reading | None:
        """Note that a command is sent; None for one that reads no entries.

        What this worker does for an entry of the same stream ends here.
        """
        said = commands.words(args)
        if said[0] in SETTLING:
            self._settle(said)
        if said[0] not in READING | CLAIMING | LOOKING:
            return None
        streams = commands.streams(said)
        for stream in streams:
            self.channels.ask(stream)
        return Reading(self, client, said, streams)

    def unsettled(self, read: Read, delivery: Delivery) -> None:
        """Note that a group has to say when it's done with an entry."""
        delivery.settled(False)
        self._unsettled[read.stream, read.group, text(read.id)] = delivery

    def _settle(self, said: Arguments) -> None:
        stream, group, *ids = [*map(text, said[1:]), "", ""]  # Redis refuses those without.
        for each in ids:
            delivery = self._unsettled.pop((stream, group, each), None)
            if delivery is not None:
                delivery.settled()


class Reading:
    """One read. `left` is how many seconds are left until the last of its entries is due."""

    __slots__ = ("_client", "_group", "_looks", "_reader", "_said", "_settles", "_since", "left")

    def __init__(self, reader: Reader, client: Any, said: Arguments, since: dict[str, str]) -> None:
        """Prepare; nothing is answered yet."""
        self._reader, self._client, self._said, self._since = reader, client, said, since
        self._looks = said[0] in LOOKING
        self._group = commands.group(said)
        self._settles = bool(self._group) and not commands.needs_no_word(said)
        self.left = 0.0

    def seen(self, answer: Any) -> Any:
        """Return an answer as the application gets it; of what has no such form nothing changes."""
        with self._reader.boundary.isolated():
            return commands.seen(self._said, answer, self._see)
        return answer

    def _see(self, entries: list[Any], stream: str) -> list[Any]:
        shown = [self._entry(entry, stream) for entry in entries]
        return shown if self._looks else Entries(shown, self._reader.channels.of(stream))

    def _entry(self, entry: Any, stream: str) -> Any:
        fields, headers, shown = _shown(entry[1])
        if not fields or (self._looks and not headers):
            return entry
        read = Read(
            self._client,
            stream,
            self._group,
            entry[0],
            fields,
            headers,
            self._deliveries(entry, stream),
        )
        delivery = self._reader.boundary.receive(CONSUMING, read)
        if delivery is not None:
            remember(shown, delivery)
            if self._settles:
                self._reader.unsettled(read, delivery)
            self.left = max(self.left, delivery.left)
        return type(entry)((entry[0], shown, *entry[2:]))

    def _deliveries(self, entry: Any, stream: str) -> int:
        if len(entry) > 3 and isinstance(entry[3], int):  # of a read that may claim as well
            return max(2, entry[3]) if entry[3] else 1
        return commands.deliveries(self._said, self._since.get(stream, ""))


def _shown(found: Any) -> tuple[Any, dict[str, str], Any]:
    """Return an entry's own fields, its headers, and what the application gets of it.

    Two objects, or else the entry would hold itself, by its delivery.
    """
    if isinstance(found, dict):
        headers = taken_out(found)
        return found, headers, Fields(found)
    own, headers = parted(found or ())
    return own, headers, Pairs(own)
