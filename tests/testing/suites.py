"""Suites over a tiny client, done properly and with one mistake each; run by test_suites.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar

import pytest

from baggage.boundary import PROCEED, Call, Flow, Interest, Kind, MetaApp, Raised
from baggage.context import pack
from baggage.testing import BrokerSuite, HttpClientSuite, MetaAppSuite, Send, Taken
from baggage.values import Baggage, Direction, Key
from tests.testing import tiny, tiny_broker

MINE = Key("mine.state", direction=Direction.DOWN)


class TestProperly(HttpClientSuite):
    instrumentation: ClassVar[Any] = tiny.instrumentation()

    # Tiny follows no redirects, and never retries.
    test_a_redirect_is_two_attempts: Any = None
    test_a_redirect_to_a_host_that_may_not_receive_baggage_takes_none_there: Any = None
    test_each_retry_that_the_hook_can_see_is_an_attempt: Any = None

    def sender(self) -> Send:
        return self.sender_with({})

    def sender_with(self, headers: Mapping[str, str]) -> Send:
        client = tiny.Tiny(headers)
        return lambda url: client.get(url)

    def hasty(self) -> Send:
        client = tiny.Tiny(timeout=0.05)
        return lambda url: client.get(url)

    def status(self, response: tiny.Answer) -> int:
        return response.status

    def body(self, response: tiny.Answer) -> bytes:
        return response.read()

    def streaming(self) -> Callable[[str], Iterator[bytes]]:
        return tiny.streamed

    def retrying(self) -> Send:
        raise NotImplementedError


class TestByHalves(TestProperly):
    instrumentation = tiny.instrumentation(tiny.by_halves)


class TestReadingAhead(TestProperly):
    instrumentation = tiny.instrumentation(tiny.reading_ahead)
    patience = 0.1  # it's waited for in vain


class TestWrappingErrors(TestProperly):
    instrumentation = tiny.instrumentation(tiny.wrapping_errors)


class TestDeaf(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Deaf)


class TestBlabbing(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Blabbing)


class TestBelieving(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Believing)


class TestCareless(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Careless)


class TestLate(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Late)


class TestTimeless(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Timeless)


class TestObliging(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Obliging)


class TestHopeful(TestProperly):
    instrumentation = tiny.instrumentation(adapter=tiny.Hopeful)


class TestHeedless(TestProperly):
    instrumentation = tiny.instrumentation(heeds=False)


class TestBroker(BrokerSuite):
    instrumentation: ClassVar[Any] = tiny_broker.instrumentation()

    @pytest.fixture(autouse=True)
    def _broker(self) -> None:
        self.broker, self.count = self.instrumentation.Broker(), 0

    def destination(self) -> str:
        self.count += 1
        return f"queue {self.count}"

    def publish(
        self, destination: str, body: bytes = b"", headers: Mapping[str, str] = MappingProxyType({})
    ) -> object:
        return self.broker.publish(destination, body, headers)

    def consume(
        self, destination: str, work: Callable[[Taken], None], *, again: bool = False
    ) -> None:
        def processed(order: tiny_broker.Order) -> None:
            try:
                work(Taken(order.body, order.headers, order))
            finally:
                if again:
                    self.broker.give_back(order)

        self.broker.process(destination, processed)


class TestShowing(TestBroker):
    instrumentation = tiny_broker.instrumentation(tiny_broker.Showing)


class TestLeaking(TestBroker):
    instrumentation = tiny_broker.instrumentation(tiny_broker.Leaking)


class TestSwallowing(TestBroker):
    instrumentation = tiny_broker.instrumentation(tiny_broker.Swallowing)


class TestForgetful(TestBroker):
    instrumentation = tiny_broker.instrumentation(tiny_broker.Forgetful)


class TestAdding(TestBroker):
    instrumentation = tiny_broker.instrumentation(tiny_broker.Adding)


class TestOnce(TestBroker):
    instrumentation = tiny_broker.instrumentation(tiny_broker.Once)


class Mine:
    """A meta-application, done properly."""

    name = "mine"

    def interest(self, kind: Kind, library: str) -> Interest:
        return Interest.AROUND

    def around(self, call: Call) -> Flow:
        yield PROCEED
        return None


class TestMine(MetaAppSuite):
    def metaapp(self) -> MetaApp:
        return Mine()


class Twice(Mine):
    def around(self, call: Call) -> Flow:
        yield PROCEED
        yield PROCEED
        return None


class TestTwice(TestMine):
    def metaapp(self) -> MetaApp:
        return Twice()


class Clinging(Mine):
    def around(self, call: Call) -> Flow:
        try:
            yield PROCEED
        except GeneratorExit:
            yield PROCEED
        return None


class TestClinging(TestMine):
    def metaapp(self) -> MetaApp:
        return Clinging()


class Sunny(Mine):
    """Knows of no exceptions."""

    def around(self, call: Call) -> Flow:
        outcome = yield PROCEED
        assert not isinstance(outcome, Raised)
        return None


class TestSunny(TestMine):
    def metaapp(self) -> MetaApp:
        return Sunny()


class Trespassing(Mine):
    def around(self, call: Call) -> Flow:
        pack("theirs.key", 1)
        yield PROCEED
        return None


class TestTrespassing(TestMine):
    def metaapp(self) -> MetaApp:
        return Trespassing()


class Trusting(Mine):
    """Believes whatever came under its key."""

    def around(self, call: Call) -> Flow:
        from baggage.context import unpack

        for value in unpack(MINE):
            assert isinstance(value, str)
            int(value)
        yield PROCEED
        return None


class TestTrusting(TestMine):
    def metaapp(self) -> MetaApp:
        return Trusting()

    def carried(self) -> Baggage:
        return Baggage().pack(MINE, "1")


class Stacking(Mine):
    """Keeps its state beside the flows, as if calls never overlapped."""

    def __init__(self) -> None:
        self.stack: list[Call] = []

    def around(self, call: Call) -> Flow:
        self.stack.append(call)
        yield PROCEED
        assert self.stack.pop() is call
        return None


class TestStacking(TestMine):
    def metaapp(self) -> MetaApp:
        return Stacking()
