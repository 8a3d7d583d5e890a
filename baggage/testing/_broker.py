"""What the parts of the suite for brokers share: how messages are published and taken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Final, TypeVar

from baggage.boundary import Endpoint, Note
from baggage.context import unpack
from baggage.testing._workers import Worker, WorkersSuite
from baggage.values import Sum, key
from baggage.wire import NAME

T = TypeVar("T")
NO_HEADERS: Final[Mapping[str, str]] = {}
BODY: Final = b"some order"
OURS: Final = (NAME, Note.HEADER)
"""The headers that baggage travels in."""
TOTAL: Final = key("suite.total", type=Sum)


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as a consumer got it from the library.

    `headers` are those that the application sees. `message` is what `baggage.consuming` takes: the
    library's own object, or the message's headers.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    message: object = None


class BrokerBase(WorkersSuite):
    """Says how a broker is used.

    `destination`, `publish` and `consume` are enough. What is published in one destination is taken
    in the order in which it was. `publish` and `consume` are called in several threads, one step at
    a time: where a library's connections are no affair of threads, keep one for each.

    `here` says that messages are taken where `consume` is called. Where the library has workers of
    its own, that only take turns with whoever calls it, set it to False.
    """

    here: ClassVar[bool] = True

    @abstractmethod
    def destination(self) -> str:
        """Return the name of a new queue, stream, topic or task that nobody else uses."""

    @abstractmethod
    def publish(
        self, destination: str, body: bytes = BODY, headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        """Publish a message with these headers, at once; return what the library returns.

        With no headers do as applications do that use none.
        """

    @abstractmethod
    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        """Take the next message, as soon as it comes, and do the work on it: once, then return.

        The work is done where the application does it: in the callback, or after a message was
        pulled. What it raises passes, or is raised here again. The message is acknowledged then, or
        given back to the broker if it's to come `again`. It must be there before another one.
        """

    def operation(self, destination: str) -> str:
        """Return the operation that flows see; the destination unless overridden."""
        return destination

    def endpoint(self) -> Endpoint | None:
        """Return the endpoint that flows see; None, unless overridden, where that's not known."""
        return None

    def work(
        self,
        destination: str,
        look: Callable[[], T],
        *,
        worker: Worker | None = None,
        again: bool = False,
    ) -> T:
        """Let a worker take a message, and return what `look` sees while it works on that."""
        seen: list[T] = []

        def take() -> None:
            self.consume(destination, lambda _: seen.append(look()), again=again)

        (worker or self.worker).do(take)
        (found,) = seen
        return found

    def taken(self, destination: str) -> Taken:
        """Let the worker take a message and return it."""
        seen: list[Taken] = []
        self.worker.do(lambda: self.consume(destination, seen.append))
        (taken,) = seen
        return taken

    def tenants(self, destination: str, worker: Worker | None = None) -> tuple[object, ...]:
        """Let a worker take a message; return what it sees of the tenant then."""
        return self.work(destination, lambda: unpack("tenant"), worker=worker)

    def strange(
        self, destination: str, body: bytes = BODY, headers: Mapping[str, str] = NO_HEADERS
    ) -> object:
        """Publish without any instrumentation."""
        self.switch.on = False
        try:
            return self.publish(destination, body, headers)
        finally:
            self.switch.on = True

    def over(self, destination: str) -> None:
        """Let the worker be done with the message before: it takes a stranger's."""
        self.strange(destination)
        self.work(destination, lambda: None)
