"""Who put what lies in a queue, and who has borrowed from it.

The items are left alone: applications look into queues, compare and sort what lies there. So the
records are kept beside the queue, and go by an item's identity. Wrapping is in `_queueing`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from weakref import WeakKeyDictionary, WeakSet, ref

from baggage.boundary import Message
from baggage.context import Branch

_LOANS: Final = "baggage.queues"
_TAKEN: Final = "baggage.queues.taken"
_REMEMBERED: Final = 64
_PLAIN: Final = frozenset({type(None), object, int, str, bytes})


@dataclass(frozen=True, slots=True)
class Storage:
    """How to look at what lies in a library's queues, under their lock."""

    size: Callable[[Any], int]
    lying: Callable[[Any], Iterable[object]]


class Ledger:
    """The records of one queue. `place` and `fetch` run under the queue's lock.

    Items that nobody's context goes with are noted too while there are others, so that equal ones
    are never mixed up. `lost` are messages of items that left by other ways than `_get`.
    """

    __slots__ = (
        "__weakref__",
        "_fetched",
        "_last_first",
        "_placed",
        "_records",
        "_storage",
        "lost",
    )

    def __init__(self, storage: Storage, *, last_first: bool) -> None:
        """Start empty; `last_first` says that of the same item the last one put is taken first."""
        self._records: dict[int, deque[tuple[object, Message | None]]] = {}
        self._storage = storage
        self._last_first = last_first
        self._placed = self._fetched = 0
        self.lost: deque[Message] = deque()

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """Pickle and copy to None: what lies in a copied queue, nobody has put there."""
        return type(None), ()

    def place(
        self, queue: Any, item: object, message: Message | None, put: Callable[[], Any]
    ) -> tuple[Any, bool]:
        """Put an item by `put`; return what that did, and whether its message was recorded.

        It isn't where a `_put` within has done so, and where a set had the item already.
        """
        before = self._storage.size(queue)
        if not before:
            self._forget()
        if message is None and not self._records:
            return put(), False
        if before and not self._records:
            self._note(queue)
        placed = self._placed
        result = put()
        if self._placed != placed or self._storage.size(queue) <= before:
            return result, False
        self._write(item, message)
        return result, True

    def fetch(self, get: Callable[[], Any]) -> tuple[Any, Message | None]:
        """Get an item by `get`; return it with its message, if no `_get` within has taken that."""
        if not self._records:
            return get(), None
        fetched = self._fetched
        item = get()
        return item, self._take(item) if self._fetched == fetched else None

    def drop_lost(self) -> None:
        """Say of lost messages that they are. Not under the queue's lock: flows are told."""
        while self.lost:
            self.lost.popleft().drop()

    def _write(self, item: object, message: Message | None) -> None:
        self._placed += 1
        self._records.setdefault(id(item), deque()).append((item, message))

    def _take(self, item: object) -> Message | None:
        records = self._records.get(id(item))
        if records is None:
            return None
        self._fetched += 1
        _, message = records.pop() if self._last_first else records.popleft()
        if not records:
            del self._records[id(item)]
        return message

    def _note(self, queue: Any) -> None:
        """Note what lies there already, put while there was nothing to carry."""
        with suppress(AttributeError, TypeError):
            for item in self._storage.lying(queue):
                self._write(item, None)

    def _forget(self) -> None:
        """Forget what is no longer there: the queue was emptied by other ways than `get`."""
        if self._records:
            for records in self._records.values():
                self.lost.extend(message for _, message in records if message is not None)
            self._records.clear()


def borrow(running: Branch, ledger: Ledger, item: object) -> None:
    """Note that a request took something that no message of its own had brought.

    It's likely a resource from a pool, and comes back; only a few of them are remembered.
    """
    try:
        ticket: Callable[[], object] = ref(item)
    except TypeError:
        if type(item) not in _PLAIN:
            return
        ticket = _NOTHING if item is None else partial(_same, item)
    loans = running.scope.notes.setdefault(_LOANS, WeakKeyDictionary())
    loans.setdefault(ledger, deque(maxlen=_REMEMBERED)).append(ticket)


def give_back(running: Branch | None, ledger: Ledger, item: object) -> bool:
    """Say whether a request puts back something that it borrowed; that is no message.

    Pools hold None for a resource that is yet to be made, or had to be thrown away.
    """
    loans = None if running is None else running.scope.notes.get(_LOANS)
    tickets = loans.get(ledger) if loans else None
    if not tickets:
        return False
    for position, ticket in enumerate(tuple(tickets)):
        if item is None or ticket is _NOTHING or ticket() is item:
            with suppress(IndexError):  # another thread of the request was faster
                del tickets[position]
            return True
    return False


def note_taken(running: Branch, ledger: Ledger) -> None:
    """Note that a branch took a message of its own request; see `works`."""
    if running.scope is not running:
        running.notes.setdefault(_TAKEN, WeakSet()).add(ledger)


def note_put(running: Branch | None, ledger: Ledger) -> None:
    """Note that a branch puts something where it may have taken from."""
    if running is not None and _TAKEN in running.notes:
        running.notes[_TAKEN].discard(ledger)


def works(running: Branch, ledger: Ledger) -> bool:
    """Say whether a branch is a worker's, which a request has started and which now serves all.

    It has taken a message from here before, and put nothing back: this is no pool to it. What the
    request itself takes, it takes for itself.
    """
    return ledger in running.notes.get(_TAKEN, ())


def _same(item: object) -> object:
    return item


_NOTHING: Final = partial(_same, None)
