"""A broker of somebody else's, in memory, and its instrumentation, done properly or with a mistake.

Beside the mistakes, this is what a third party writes.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from baggage.boundary import (
    Boundary,
    Call,
    CannotEnact,
    Delivery,
    Facts,
    Fault,
    FaultKind,
    Kind,
    PlainFacts,
    remember,
)
from baggage.context import attached, ensure
from baggage.instrumentation._patching import Switch


@dataclass
class Order:
    """A message."""

    queue: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    count: int = 1

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


class Broker:
    """The library."""

    def __init__(self) -> None:
        self.lying: defaultdict[str, deque[Order]] = defaultdict(deque)
        self.changed = threading.Condition()

    def publish(self, queue: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Publish a message; return how many lie there."""
        return self.put(Order(queue, body, dict(headers)))

    def put(self, order: Order) -> int:
        with self.changed:
            self.lying[order.queue].append(order)
            self.changed.notify_all()
            return len(self.lying[order.queue])

    def process(self, queue: str, work: Callable[[Order], None]) -> None:
        """Work on the next message."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.lying[queue], 20)
            order = self.lying[queue].popleft()
        self.work(order, work)

    def work(self, order: Order, work: Callable[[Order], None]) -> None:
        work(order)

    def give_back(self, order: Order) -> None:
        """Have a message delivered again."""
        self.put(Order(order.queue, order.body, order.headers, order.count + 1))


class Adapter:
    library = "tiny broker"
    packages = frozenset({"tiny_broker"})
    below: frozenset[str] = frozenset()

    def __init__(self, kind: Kind) -> None:
        self.kind = kind

    def describe(self, request: Order) -> Call:
        arriving = self.kind is Kind.CONSUMER
        return Call(
            kind=self.kind,
            library=self.library,
            operation=request.queue,
            method="process" if arriving else "publish",
            arrived=request.headers if arriving else {},
            delivery=request.count if arriving else 0,
        )

    def request_carrier(self, request: Order) -> Order:
        return request

    def response_carrier(self, response: object) -> None:
        pass

    def facts(self, response: object) -> Facts:
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        pass

    def enact(self, fault: Fault, request: Order, response: object = None) -> int:
        if fault.kind is FaultKind.DROP:
            return 1
        raise CannotEnact(f"a tiny broker knows no fault {fault}")


class Instrumented:
    """An instrumentation of one class of brokers, whose methods are its steps."""

    def __init__(self, boundary: Boundary, switch: Switch) -> None:
        self.boundary, self.switch = boundary, switch

    def publish(self, broker: Broker, order: Order, put: Callable[[Order], int]) -> int:
        publication = self.boundary.publish(Adapter(Kind.PRODUCER), order)
        if publication is None:
            return put(order)

        def publish() -> int:
            return put(Order(order.queue, order.body, dict(order.headers)))

        return publication.send(publish, publish)

    def process(self, order: Order, work: Callable[[Order], None]) -> None:
        delivery = self.boundary.receive(Adapter(Kind.CONSUMER), order)
        shown = self.show(order)
        if delivery is None:
            work(shown)
            return
        remember(shown, delivery)
        self.open(delivery, lambda: work(shown))

    def show(self, order: Order) -> Order:
        """Return a message as the application sees it."""
        kept = {name: order.headers[name] for name in order.headers if name != "baggage-message"}
        theirs = kept.pop("baggage", "")
        members = [each for each in theirs.split(",") if each and not each.startswith("causal=")]
        if members:
            kept["baggage"] = ",".join(members)
        return Order(order.queue, order.body, kept, order.count)

    def open(self, delivery: Delivery, work: Callable[[], None]) -> None:
        with delivery.opened():
            work()

    def give_back(self, delivery: Delivery) -> None:
        delivery.requeued()


class Showing(Instrumented):
    """Shows the application what it never published."""

    def show(self, order: Order) -> Order:
        return order


class Leaking(Instrumented):
    """Works on messages in whatever stands there."""

    def open(self, delivery: Delivery, work: Callable[[], None]) -> None:
        with delivery.opened():
            known = ensure().baggage
        ensure().update(lambda carried: carried.join(known))
        work()


class Swallowing(Instrumented):
    """Tells flows nothing of failures."""

    def open(self, delivery: Delivery, work: Callable[[], None]) -> None:
        failed: list[BaseException] = []
        with delivery.opened():
            try:
                work()
            except LookupError as error:
                failed.append(error)
        if failed:
            raise failed[0]


class Forgetful(Instrumented):
    """Tells flows nothing of what goes back."""

    def give_back(self, delivery: Delivery) -> None:
        pass


class Adding(Instrumented):
    """Counts what is joined by the values, without their identity."""

    def open(self, delivery: Delivery, work: Callable[[], None]) -> None:
        with delivery.opened():
            carried = ensure().baggage
            with attached(carried):
                for name in carried.keys():  # noqa: SIM118 - no mapping
                    for value in carried.unpack(name):
                        ensure().pack(name, value)
                work()


class Once(Instrumented):
    """Knows of a second message as little as of a lost one."""

    def publish(self, broker: Broker, order: Order, put: Callable[[Order], int]) -> int:
        publication = self.boundary.publish(Adapter(Kind.PRODUCER), order)
        if publication is None:
            return put(order)
        return publication.send(lambda: put(order), lambda: put(Order(order.queue, order.body)))


def instrumentation(make: type[Instrumented] = Instrumented) -> Any:
    """Return a module that says `instrument`, and has a `Broker` of its own."""

    class Mine(Broker):
        def publish(self, queue: str, body: bytes, headers: Mapping[str, str]) -> int:
            order = Order(queue, body, dict(headers))
            ours = instrumented[0]
            if not ours.switch.on:
                return self.put(order)
            return ours.publish(self, order, self.put)

        def work(self, order: Order, work: Callable[[Order], None]) -> None:
            ours = instrumented[0]
            self.came = order
            if ours.switch.on:
                ours.process(order, work)
            else:
                work(order)

        def give_back(self, order: Order) -> None:
            delivery = getattr(order, "_baggage_delivery", None)
            if delivery is not None:
                instrumented[0].give_back(delivery)
            super().give_back(self.came)

    def instrument(boundary: Boundary, switch: Switch) -> None:
        instrumented.append(make(boundary, switch))

    instrumented: list[Instrumented] = []
    module: Any = ModuleType("tiny_broker_instrumentation")
    module.instrument, module.Broker = instrument, Mine
    return module


# What call sites are told by: as if this were a package of its own.
__name__ = "tiny_broker"
