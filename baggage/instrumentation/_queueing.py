"""What queues in one process have in common, threads' and tasks': a put sends, a get receives.

Records of who put what are written in `_put` and taken in `_get`, under the queue's own lock; flows
are asked in `put` and `get`, outside of it. What becomes of a message is the waist's affair.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Final
from weakref import WeakSet

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Facts,
    Fault,
    Kind,
    PlainFacts,
    finish,
)
from baggage.context import branch
from baggage.instrumentation._ledger import Hand, Ledger, Storage, borrow, give_back
from baggage.instrumentation._patching import Switch, wrap

Wrapped = Callable[..., Any]
Positional = tuple[Any, ...]
Named = dict[str, Any]
Wait = Callable[[float], object]

_LEDGER: Final = "_baggage_ledger"


@dataclass(frozen=True, slots=True)
class QueueAdapter:
    """The adapter of a library of queues; a request is the class of the queue."""

    library: str
    packages: frozenset[str]
    below: frozenset[str] = frozenset()
    kind: Kind = Kind.PRODUCER

    def describe(self, request: type) -> Call:
        """Describe a put, by the class of the queue."""
        return Call(kind=self.kind, library=self.library, operation=request.__name__, method="put")

    def request_carrier(self, request: object) -> None:
        """Carry nothing: the branch is handed over as it is."""

    def response_carrier(self, response: object) -> None:
        """Carry nothing: a put brings nothing back."""

    def facts(self, response: object) -> Facts:
        """Say nothing of an item, which may be any object."""
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        """Say nothing: that a queue is full is no answer."""

    def enact(self, fault: Fault, request: object, response: object = None) -> None:
        """Refuse: a queue in the process does not fail in these ways."""
        raise CannotEnact(f"{self.library} knows no fault {fault}")


_putting: Final[ContextVar[Hand | None]] = ContextVar("baggage.putting", default=None)
_getting: Final[ContextVar[Hand | None]] = ContextVar("baggage.getting", default=None)


class Queueing:
    """The wrappers of one library's queues."""

    def __init__(
        self,
        boundary: Boundary,
        switch: Switch,
        adapter: QueueAdapter,
        storage: Storage,
        stack: type,
    ) -> None:
        """Prepare; `stack` is the library's queue whose last item is taken first."""
        self._boundary, self._switch, self._adapter = boundary, switch, adapter
        self._storage, self._stack = storage, stack
        self._covered: WeakSet[type] = WeakSet()

    def wrap(self, kinds: tuple[type, ...], **wrappers: Any) -> None:
        """Wrap the library's classes, the first of which has the methods named; once."""
        for name, wrapper in {"task_done": _done, "shutdown": _shut_down, **wrappers}.items():
            if hasattr(kinds[0], name):
                wrap(kinds[0], name, self._switch, wrapper)
        for kind in kinds:
            self._cover(kind)

    def put(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Hand over an item by a function that returns once it lies there."""
        hand = self.sending(queue, args, kwargs)
        if hand is None:
            return wrapped(*args, **kwargs)
        token = _putting.set(hand)
        try:
            return hand.messages[0].send(lambda: wrapped(*args, **kwargs))
        finally:
            self.sent(hand, token)

    def get(self, wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
        """Take an item by a function that returns it."""
        leave(queue)
        hand, token = self.receiving(queue)
        try:
            item = wrapped(*args, **kwargs)
        finally:
            self.received(token)
        return self.taken(hand, item)

    def sending(self, queue: Any, args: Positional, kwargs: Named) -> Hand | None:
        """Return what a put hands over, None where nothing goes along.

        None for a put within a put, for something that a request gives back, and for what a log
        says: that tells of a request, and is no part of it.
        """
        outer = _putting.get()
        if outer is not None and outer.queue is queue:
            return None
        item = args[0] if args else kwargs.get("item")
        ledger = ledger_of(queue)
        if ledger is not None:
            ledger.drop_lost()
            if give_back(branch(), ledger, item):
                return None
        if isinstance(item, logging.LogRecord):
            return None
        message = self._boundary.hand_over(self._adapter, type(queue))
        if message is None:
            return None
        self._cover(type(queue))
        self._ledger(queue)
        return Hand(queue, [message])

    def begin(self, hand: Hand) -> Token[Hand | None]:
        """Tell the `_put` within this one what it hands over."""
        return _putting.set(hand)

    def sent(self, hand: Hand, token: Token[Hand | None]) -> None:
        """Note that a put is over. What came not to lie there, nobody will take."""
        _reset(_putting, token)
        if hand.messages and not hand.placed:
            hand.messages[0].drop()
        ledger = ledger_of(hand.queue)
        if ledger is not None:
            ledger.drop_lost()

    def receiving(self, queue: Any) -> tuple[Hand, Token[Hand | None]]:
        """Tell the `_get` within this one where to leave what it finds."""
        hand = Hand(queue)
        return hand, _getting.set(hand)

    def received(self, token: Token[Hand | None]) -> None:
        """Note that a get is over."""
        _reset(_getting, token)

    def within_get(self, queue: Any) -> bool:
        """Say whether this is a part of another get."""
        outer = _getting.get()
        return outer is not None and outer.queue is queue

    def taken(self, hand: Hand, item: Any, *, opens: bool = True, wait: Wait = time.sleep) -> Any:
        """Let whoever is here take what came to hand; return the item. More at `Message.take`."""
        running = branch()
        if not hand.messages:
            if running is not None and not running.muted and not running.idle:
                borrow(running, self._ledger(hand.queue), item)
            return item
        *others, message = hand.messages
        for other in others:
            other.drop()
        ledger = self._ledger(hand.queue)
        foreign = running is not None and not running.muted and not message.akin(running)
        item = message.take(item, ledger, opens=opens, wait=wait)
        if running is not None and foreign and branch() is running:
            borrow(running, ledger, item)
        return item

    def _ledger(self, queue: Any) -> Ledger:
        known = ledger_of(queue)
        if known is None:
            made = Ledger(self._storage, last_first=isinstance(queue, self._stack))
            known = vars(queue).setdefault(_LEDGER, made)
        return known

    def _cover(self, kind: type) -> None:
        """Wrap the `_put` and `_get` that a class has, wherever it has them from.

        They are kept up while the switch is off: what was put before may be taken then.
        """
        if kind in self._covered:
            return
        for name, wrapper in {"_put": _place, "_get": _fetch}.items():
            owner = next((base for base in kind.__mro__ if name in vars(base)), None)
            if owner is not None and (owner is kind or owner not in self._covered):
                wrap(owner, name, Switch(), wrapper)
        self._covered.add(kind)


def ledger_of(queue: Any) -> Ledger | None:
    """Return a queue's ledger, None for one that no message went through."""
    known: Ledger | None = vars(queue).get(_LEDGER)
    return known


def leave(queue: Any) -> None:
    """End the scope of the message that was taken from a queue last, if it is this worker's."""
    ledger = ledger_of(queue)
    if ledger is not None:
        ledger.drop_lost()
        finish(ledger)


def _reset(variable: ContextVar[Hand | None], token: Token[Hand | None]) -> None:
    # A coroutine that is thrown away may be closed in another context.
    with suppress(ValueError):
        variable.reset(token)


def _place(wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
    ledger = ledger_of(queue)
    if ledger is None or not args:
        return wrapped(*args, **kwargs)
    hand = _putting.get()
    if hand is not None and hand.queue is not queue:
        hand = None
    return ledger.place(queue, args[0], hand, lambda: wrapped(*args, **kwargs))


def _fetch(wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
    ledger = ledger_of(queue)
    if ledger is None:
        return wrapped(*args, **kwargs)
    hand = _getting.get()
    if hand is not None and hand.queue is not queue:
        hand = None
    return ledger.fetch(hand, lambda: wrapped(*args, **kwargs))


def _done(wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
    # Before: whoever waits for the queue to be done shall find what the consumer left behind.
    leave(queue)
    return wrapped(*args, **kwargs)


def _shut_down(wrapped: Wrapped, queue: Any, args: Positional, kwargs: Named) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        ledger = ledger_of(queue)
        if ledger is not None:
            ledger.drop_lost()
