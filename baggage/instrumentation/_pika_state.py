"""What is known of pika's channels and messages: deliveries, noted and not yet settled; who waits.

Deliveries are on the objects of the library, and go with them.
"""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import Any, Final
from weakref import WeakValueDictionary, ref

from baggage.boundary import Delivery
from baggage.context import Branch

_STATE: Final = "_baggage_state"
MOST_WAITING: Final = 4096


class Noted:
    """The attribute by which `remember` notes a delivery on properties, unseen by `vars` of them.

    They are compared, and shown, by their `vars`.
    """

    def __get__(self, properties: Any, _: type) -> Delivery | None:
        noted = getattr(properties, "__dict__", None)  # of the class there is none
        return noted.delivery if type(noted) is _Vars else None

    def __set__(self, properties: Any, delivery: Delivery) -> None:
        properties.__dict__ = noted = _Vars(vars(properties))
        noted.delivery = delivery


class _Vars(dict[str, Any]):
    """The attributes of an object, and the delivery that it came by."""

    __slots__ = ("delivery",)
    delivery: Delivery

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class Source:
    """A queue that a channel pulls from; its identity tells whose message a worker stands in."""

    __slots__ = ("__weakref__",)


class State:
    """What is known of a channel: the messages not yet settled by tag, and where it pulls from."""

    __slots__ = ("iterating", "sources", "unsettled")

    def __init__(self) -> None:
        self.unsettled: dict[int, Delivery] = {}
        # Only of those that somebody stands in: queues for one reply each have names of their own.
        self.sources: WeakValueDictionary[str, Source] = WeakValueDictionary()
        self.iterating: Source | None = None

    @classmethod
    def of(cls, channel: Any) -> State:
        state: State | None = getattr(channel, _STATE, None)
        if state is None:
            state = cls()
            setattr(channel, _STATE, state)
        return state

    def source(self, queue: str) -> Source:
        return self.sources.setdefault(queue, Source())

    def settled(self, tag: int, *, multiple: bool) -> list[Delivery]:
        """Forget a delivery, or all of them up to one; 0 are all."""
        tags = [tag]
        if multiple:
            tags = [each for each in list(self.unsettled) if each <= tag or not tag]
        found = [self.unsettled.pop(each, None) for each in tags]
        return [delivery for delivery in found if delivery is not None]


class Waiting:
    """Who waits for replies, by their correlation ids; of the last messages. Safe in any thread.

    Of many a reply never comes, or isn't known as one, and who waits may live as long as the
    process.
    """

    def __init__(self) -> None:
        """Start with nobody."""
        self._lock = Lock()
        self._known: dict[str, ref[Branch]] = {}

    def expect(self, name: str, running: Branch) -> None:
        """Note that a branch waits for a reply."""
        with self._lock:
            self._known.pop(name, None)
            self._known[name] = ref(running)
            if len(self._known) > MOST_WAITING:
                del self._known[next(iter(self._known))]

    def get(self, name: str) -> Branch | None:
        """Return who waits; None for nobody, or one who is gone."""
        with self._lock:
            found = self._known.get(name)
        return None if found is None else found()

    def forget(self, name: str) -> None:
        """Note that the reply came."""
        with self._lock:
            self._known.pop(name, None)


class Rejected(Exception):
    """What flows are told of a message that its consumer rejected, and that won't come again."""


def settle(channel: Any, name: str, *args: Any, **kwargs: Any) -> None:
    """Take note of a method of a channel that was called: `basic_ack`, for example."""
    state: State | None = getattr(channel, _STATE, None)
    if state is not None and state.unsettled:
        _SETTLE[name](state, *args, **kwargs)


def _ack(state: State, delivery_tag: int = 0, multiple: bool = False) -> None:
    state.settled(delivery_tag, multiple=multiple)


def _nack(
    state: State, delivery_tag: int = 0, multiple: bool = False, requeue: bool = True
) -> None:
    for delivery in state.settled(delivery_tag, multiple=multiple):
        if requeue:
            delivery.requeued()
        else:
            delivery.failed(Rejected("the consumer rejected the message"))


def _reject(state: State, delivery_tag: int = 0, requeue: bool = True) -> None:
    _nack(state, delivery_tag, requeue=requeue)


def _recover(state: State, *_: object, **__: object) -> None:
    _nack(state, multiple=True)


_SETTLE: Final[dict[str, Callable[..., None]]] = {
    "basic_ack": _ack,
    "basic_nack": _nack,
    "basic_reject": _reject,
    "basic_recover": _recover,
}
