"""A client of that broker, and what instruments it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

from baggage.boundary import Call, CannotEnact, Facts, Fault, FaultKind, Kind, PlainFacts, batch
from baggage.context import suppressed
from baggage.runtime.api import PROCESS

COUNTS: dict[str, Callable[[int], int]] = {
    "flagged": lambda delivered: min(delivered, 2),
    "uncounted": lambda delivered: 0,
}
"""What is known of how often a message was delivered; in other queues that is all."""


class BrokerGone(ConnectionError):
    """What this library raises where the broker can't be reached."""


@dataclass
class Parcel:
    """A message. It is its own carrier."""

    to: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)
    delivered: int = 0

    def get(self, name: str) -> str | None:
        return self.headers.get(name)

    def set(self, name: str, value: str) -> None:
        self.headers[name] = value


@dataclass(frozen=True)
class CourierAdapter:
    kind: Kind
    library: str = "courier"
    packages: frozenset[str] = frozenset({"courier"})
    below: frozenset[str] = frozenset()

    def describe(self, request: Parcel) -> Call:
        departs = self.kind.departs
        return Call(
            kind=self.kind,
            library=self.library,
            operation=request.to,
            method="publish" if departs else "consume",
            arrived={} if departs else request.headers,
            delivery=COUNTS.get(request.to, int)(request.delivered),
        )

    def request_carrier(self, request: Parcel) -> Parcel:
        return request

    def response_carrier(self, response: object) -> None:
        return None

    def facts(self, response: object) -> Facts:
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        return None

    def enact(self, fault: Fault, request: Parcel, response: object = None) -> None:
        if fault.kind is FaultKind.REFUSED:
            raise BrokerGone("refused")
        if fault.kind is not FaultKind.DROP:
            raise CannotEnact(str(fault))


PRODUCING, CONSUMING = CourierAdapter(Kind.PRODUCER), CourierAdapter(Kind.CONSUMER)


def publish(to: str, body: str) -> None:
    parcel = Parcel(to, body)

    def put() -> None:
        ask("/publish", to=to, body=body, headers=parcel.headers)

    publication = PROCESS.boundary.publish(PRODUCING, parcel)
    if publication is None:
        put()
    else:
        publication.send(put, put)


def consume(queue: str, work: Callable[[str], bool]) -> None:
    """Work on messages for ever; what `work` doesn't want goes back, to be delivered again."""
    while True:
        taken = ask("/take", queue=queue)
        if taken is None:
            continue
        parcel = Parcel(queue, taken["body"], taken["headers"], taken["delivered"])
        delivery = PROCESS.boundary.receive(CONSUMING, parcel)
        assert delivery is not None
        with delivery.opened():
            wanted = work(parcel.body)
            if not wanted:
                delivery.requeued()
        if not wanted:
            ask("/back", queue=queue, message=taken)


def consume_in_pairs(queue: str, work: Callable[[str], object]) -> None:
    """Work on two messages at a time, for ever."""
    held: list[Parcel] = []
    while True:
        taken = ask("/take", queue=queue)
        if taken is not None:
            held.append(Parcel(queue, taken["body"], taken["headers"], taken["delivered"]))
        if len(held) == 2:
            deliveries = [PROCESS.boundary.receive(CONSUMING, each) for each in held]
            with batch([each for each in deliveries if each is not None]):
                work("+".join(each.body for each in held))
            held.clear()


def ask(path: str, **asked: Any) -> Any:
    with suppressed():
        where = os.environ["BROKER_URL"].removeprefix("http://")
        connection = HTTPConnection(where, timeout=300)
        try:
            connection.request("POST", path, json.dumps(asked))
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()
