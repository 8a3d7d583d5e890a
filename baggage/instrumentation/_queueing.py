"""What queues in one process have in common, threads' and tasks': a put sends, a get receives.

Records of who put what are written in `_put` and taken in `_get`, under the queue's own lock; flows
are asked in `put` and `get`, outside of it. What becomes of a message is the waist's affair.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final
from weakref import WeakSet

from baggage.boundary import (
    Boundary,
    Message,
    finish,
)
from baggage.context import branch
from baggage.instrumentation._ledger import (
    Ledger,
    Storage,
    borrow,
    give_back,
    note_put,
    note_taken,
    works,
)
from baggage.instrumentation._patching import Function, Switch, replace, wrap
from baggage.instrumentation._queue_adapter import QueueAdapter

Wrapped = Callable[..., Any]
Positional = tuple[Any, ...]
Named = dict[str, Any]
Wait = Callable[[float], object]

_LEDGER: Final = "_baggage_ledger"
_OURS: Final = "_baggage_covers"
_BETWEEN: Final = frozenset({"baggage", "wrapt"})
"""Packages whose frames stand between a put and who asked for it."""


@dataclass(slots=True)
class Hand:
    """What goes through one call of `put` or `get`, seen by the `_put` or `_get` within it."""

    queue: object
    messages: list[Message] = field(default_factory=list)
    placed: bool = False


_putting: Final[ContextVar[Hand | None]] = ContextVar("baggage.putting", default=None)
_found: Final[ContextVar[Hand | None]] = ContextVar("baggage.found", default=None)


class Queueing:
    """The wrappers of one library's queues."""

    def __init__(
        self,
        boundary: Boundary,
        switch: Switch,
        adapter: QueueAdapter,
        storage: Storage,
        stack: type,
        keepers: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare; `stack` is the library's queue whose last item is taken first.

        `keepers` are packages that keep things in queues for themselves: these are no messages.
        """
        self._boundary, self.switch, self._adapter = boundary, switch, adapter
        self._storage, self._stack, self._keepers = storage, stack, keepers
        self._covered: WeakSet[type] = WeakSet()

    def wrap(self, kind: type, **makers: Callable[[Function], Function]) -> None:
        """Wrap these methods of the class that the library's other queues inherit from; once."""
        for name, make in makers.items():
            replace(kind, name, make)
        for name, wrapper in {"task_done": _done, "shutdown": _shut_down}.items():
            if hasattr(kind, name):
                wrap(kind, name, self.switch, wrapper)

    def put(self, original: Function) -> Function:
        """Make a put that hands over an item, and returns once it lies there."""

        def put(queue: Any, *args: Any, **kwargs: Any) -> Any:
            hand = self.sending(queue, args, kwargs) if self.switch.on else None
            if hand is None:
                return original(queue, *args, **kwargs)
            token = self.begin(hand)
            try:
                if not hand.messages:
                    return original(queue, *args, **kwargs)
                return hand.messages[0].send(
                    lambda: original(queue, *args, **kwargs),
                    lambda: self.again(original, queue, args[0] if args else kwargs["item"]),
                )
            finally:
                self.sent(hand, token)

        return put

    def again(self, original: Function, queue: Any, item: object) -> None:
        """Put an item that was put, if there is room for it."""
        original(queue, item, block=False)

    def get(self, original: Function) -> Function:
        """Make a get that takes an item, and returns it."""

        def get(queue: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.switch.on:
                return original(queue, *args, **kwargs)
            ask(queue)
            item = original(queue, *args, **kwargs)
            return self.take(queue, item, found_in(queue))

        return get

    def sending(self, queue: Any, args: Positional, kwargs: Named) -> Hand | None:
        """Return what a put hands over, None where nothing goes along.

        None also for a put within a put, and for what a log says: that tells of a request, and is
        no part of it. What a request gives back is no message either.
        """
        outer = _putting.get()
        if outer is not None and outer.queue is queue:
            return None
        item = args[0] if args else kwargs.get("item")
        ledger = ledger_of(queue)
        if ledger is not None:
            ledger.drop_lost()
            running = branch()
            note_put(running, ledger)
            if give_back(running, ledger, item):
                return Hand(queue)
        if isinstance(item, logging.LogRecord):
            return None
        message = self._boundary.hand_over(self._adapter, type(queue))
        if message is None or self._is_kept():
            return None
        self._cover(type(queue))
        self._ledger(queue)
        return Hand(queue, [message])

    def _is_kept(self) -> bool:
        """Say whether a library puts what it keeps for itself, or tells itself.

        It does so at any time: within calls, between them, and when an answer was read at last.
        """
        frame: FrameType | None = sys._getframe(2)
        while frame is not None:
            module = str(frame.f_globals.get("__name__"))
            package = module.partition(".")[0]
            if module != self._adapter.library and package not in _BETWEEN:
                return package in self._keepers
            frame = frame.f_back
        return False

    def begin(self, hand: Hand) -> Token[Hand | None]:
        """Tell the `_put` within this put what it hands over."""
        return _putting.set(hand)

    def sent(self, hand: Hand, token: Token[Hand | None]) -> None:
        """Note that a put is over. What came not to lie there, nobody will take."""
        with suppress(ValueError):  # a coroutine that is thrown away may end in another context
            _putting.reset(token)
        if hand.messages and not hand.placed:
            hand.messages[0].drop()
        ledger = ledger_of(hand.queue)
        if ledger is not None:
            ledger.drop_lost()

    def put_back(self, queue: Any, item: object, found: list[Message]) -> None:
        """Let an item lie in the queue again, behind others, as if nobody had got it."""
        token = self.begin(Hand(queue, found[-1:]))
        try:
            queue._put(item)
        finally:
            _putting.reset(token)

    def take(
        self,
        queue: Any,
        item: Any,
        found: list[Message] | None,
        *,
        opens: bool = True,
        wait: Wait | None = None,
    ) -> Any:
        """Let whoever is here take what was found with an item; return it. See `Message.take`."""
        running = branch()
        if running is not None and (running.muted or running.idle):
            running = None  # nobody who could have borrowed something
        if not found:
            if running is not None:
                borrow(running, self._ledger(queue), item)
            return item
        *others, message = found
        for other in others:
            other.drop()
        ledger = self._ledger(queue)
        leaves = running is not None and works(running, ledger)
        taken = message.take(item, ledger, opens=opens, leaves=leaves, wait=wait)
        if running is not None and branch() is running:
            if message.akin(running):
                note_taken(running, ledger)
            else:
                borrow(running, ledger, item)
        return taken

    def _ledger(self, queue: Any) -> Ledger:
        known = ledger_of(queue)
        if known is None:
            made = Ledger(self._storage, last_first=isinstance(queue, self._stack))
            own = vars(queue)
            if _LEDGER in own and own[_LEDGER] is None:  # a copy's
                del own[_LEDGER]
            known = own.setdefault(_LEDGER, made)
        return known

    def _cover(self, kind: type) -> None:
        """Wrap the `_put` and `_get` that a class has or inherits, before the first message.

        They are kept up while the switch is off: what was put before may be taken then.
        """
        if kind in self._covered:
            return
        for name, make in {"_put": _placing, "_get": _fetching}.items():
            for owner in kind.__mro__:
                if name in vars(owner) and not hasattr(vars(owner)[name], _OURS):
                    replace(owner, name, make)
                    setattr(vars(owner)[name], _OURS, True)
        self._covered.add(kind)


def ledger_of(queue: Any) -> Ledger | None:
    """Return a queue's ledger, None for one that no message went through."""
    known: Ledger | None = vars(queue).get(_LEDGER)
    return known


def ask(queue: Any) -> None:
    """Ask a queue for an item: the scope of the one that this worker took before it ends."""
    astray = _found.get()
    if astray is not None:
        _found.set(None)
        for message in astray.messages:
            message.drop()
    ledger = ledger_of(queue)
    if ledger is not None:
        ledger.drop_lost()
        finish(ledger)


def found_in(queue: Any) -> list[Message] | None:
    """Return what the `_get` within this get found, once."""
    found = _found.get()
    if found is None or found.queue is not queue:
        return None
    _found.set(None)
    return found.messages


def _placing(original: Function) -> Function:
    def place(queue: Any, *args: Any, **kwargs: Any) -> Any:
        ledger = ledger_of(queue)
        if ledger is None or not args:
            return original(queue, *args, **kwargs)
        hand = _putting.get()
        message = None
        if hand is not None and hand.queue is queue and hand.messages:
            message = hand.messages[0]
        result, placed = ledger.place(
            queue, args[0], message, lambda: original(queue, *args, **kwargs)
        )
        if placed and hand is not None and message is not None:
            hand.placed = True
        return result

    return place


def _fetching(original: Function) -> Function:
    def fetch(queue: Any, *args: Any, **kwargs: Any) -> Any:
        ledger = ledger_of(queue)
        if ledger is None:
            return original(queue, *args, **kwargs)
        item, message = ledger.fetch(lambda: original(queue, *args, **kwargs))
        if message is not None:
            found = _found.get()
            if found is None or found.queue is not queue:
                _found.set(Hand(queue, [message]))
            else:
                found.messages.append(message)
        return item

    return fetch


def _done(wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
    # Before: whoever waits for the queue to be done shall find what the consumer left behind.
    ledger = ledger_of(queue)
    if ledger is not None:
        finish(ledger)
    return wrapped(*args, **kwargs)


def _shut_down(wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        for message in found_in(queue) or ():
            message.drop()
