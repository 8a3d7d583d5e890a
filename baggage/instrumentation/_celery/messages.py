"""What Celery's tasks carry: on their way out, as they came, and with the results that are stored.

Belongs here: where baggage travels, in either protocol of messages. When it does is in `celery`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from celery import Celery

from baggage.boundary import Note, underway
from baggage.context import branch
from baggage.wire import NAME, compose, split_members

LIBRARY: Final = "celery"
_sending: Final[ContextVar[Sending | None]] = ContextVar("baggage.celery.sending", default=None)


@dataclass(slots=True, eq=False)
class Sending:
    """One task on its way to the broker: what `send_task` was called with, by name.

    It is its own carrier. What is put on it gets on the message last of all, so that nobody who is
    told of a task that is about to be published can take it off.
    """

    app: Celery
    told: dict[str, Any]
    send_task: Callable[..., Any]
    put: dict[str, str] = field(default_factory=dict)
    again: Callable[[], object] | None = None
    lost: bool = False

    def get(self, name: str) -> str | None:
        """Return a header that was put on, or that the application gave."""
        value = self.put.get(name, self._given().get(name))
        return value if isinstance(value, str) else None

    def set(self, name: str, value: str) -> None:
        """Put a header on."""
        self.put[name] = value

    def through(self) -> Any:
        """Send the task; what Celery is built on is a part of that."""
        token = _sending.set(self)
        begun = underway.begin((branch(), LIBRARY))
        try:
            return self.send_task(**self.told)
        finally:
            underway.end(begun)
            _sending.reset(token)

    def repeat(self) -> None:
        """Publish what was published once more."""
        if self.again is not None:
            self.again()

    def by(self, connection: Any, **more: Any) -> Any:
        """Send the task over some connection."""
        self.told = {**self.told, **more, "connection": connection}
        return self.through()

    def drop(self) -> Any:
        """Do all that sending does, but that the broker gets the message."""
        self.lost = True
        return self.through()

    def publish(
        self, publish: Callable[..., Any], producer: Any, args: Any, kwargs: dict[str, Any]
    ) -> Any:
        """Publish the message by `Producer.publish`, with what was put on."""
        if self.lost:
            return None
        kwargs = {**kwargs, "headers": self._headers(kwargs.get("headers") or {})}
        own = any(self.told.get(name) for name in ("producer", "publisher", "connection"))

        def again() -> None:
            with self.app.producer_or_acquire(producer if own else None) as free:
                publish(free, *args, **kwargs)

        self.again = again
        return publish(producer, *args, **kwargs)

    def _given(self) -> dict[str, Any]:
        """Return the headers that the application gave, as a mapping or as pairs."""
        return dict(self.told.get("headers") or ())

    def _headers(self, headers: Mapping[str, Any]) -> dict[str, Any]:
        """Return the headers of a message with what was put on; others' members stay."""
        given, present, put = self._given().get(NAME), headers.get(NAME), self.put.get(NAME)
        whole = {name: value for name, value in headers.items() if name != Note.HEADER} | self.put
        if put and isinstance(present, str) and present != given:
            whole[NAME] = compose(split_members(put)[0], split_members(present)[1])
        return whole


def sending(message: Mapping[str, Any]) -> Sending | None:
    """Return the task that is being sent by a message with these properties."""
    current = _sending.get()
    if current is None:
        return None
    expected = current.told.get("correlation_id") or current.told["task_id"]
    return current if message.get("correlation_id") == expected else None


@dataclass(slots=True, eq=False)
class Taken:
    """One task that came to a worker, with all that Celery says of its request.

    One that is `lost` was killed with the process that took it.
    """

    app: Celery
    name: str
    args: Any
    kwargs: Any
    request: Mapping[str, Any]
    lost: bool = False

    def get(self, name: str) -> str | None:
        """Return a header; of the first protocol's messages they are a mapping of their own."""
        value, headers = self.request.get(name), self.request.get("headers")
        if value is None and isinstance(headers, Mapping):
            value = headers.get(name)
        return value if isinstance(value, str) else None

    def set(self, name: str, value: str) -> None:
        """Refuse: what came is not changed."""
        raise NotImplementedError(f"{name!r} came, and nothing is sent by it")

    def plain(self) -> Mapping[str, Any]:
        """Return the request as the task may see it: without what is ours.

        Else a task that is retried, or a message that is sent with the same headers, would carry
        what is long out of date.
        """
        request, headers = self.request, self.request.get("headers")
        if isinstance(headers, Mapping) and (NAME in headers or Note.HEADER in headers):
            request = {**request, "headers": _plain(headers)}
        if NAME in request or Note.HEADER in request:
            request = _plain(request)
        return request


def _plain(headers: Mapping[str, Any]) -> dict[str, Any]:
    plain = dict(headers)
    plain.pop(Note.HEADER, None)
    carried = plain.pop(NAME, None)
    foreign = split_members(carried)[1] if isinstance(carried, str) else ()
    if foreign:
        plain[NAME] = compose(None, foreign)
    return plain


class Meta:
    """What is stored of a task's result, which carries what comes back under one key."""

    __slots__ = ("_stored",)

    def __init__(self, stored: dict[str, Any]) -> None:
        """Take the mapping that a backend stores, or has read."""
        self._stored = stored

    def get(self, name: str) -> str | None:
        """Return what came back."""
        value = self._stored.get(name)
        return value if isinstance(value, str) else None

    def set(self, name: str, value: str) -> None:
        """Store what goes back."""
        self._stored[name] = value
