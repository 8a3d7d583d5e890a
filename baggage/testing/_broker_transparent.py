"""What an application sees of messages by brokers: what it would without us."""

from __future__ import annotations

import pytest

from baggage.context import branch, pack
from baggage.testing._broker import NO_HEADERS, OURS, BrokerBase
from baggage.testing.suite import failure

_BODIES = (b"", b"some order", bytes(range(256)))
_HEADERS = (NO_HEADERS, {"x-theirs": "1"}, {"baggage": "theirs=1", "traceparent": "00-1-2-00"})


class BrokerTransparent(BrokerBase):
    """The application notices nothing."""

    @pytest.mark.parametrize("body", _BODIES, ids=["empty", "text", "binary"])
    def test_a_body_is_taken_as_it_was_published(self, body: bytes) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders, body)
        assert self.taken(orders).body == body

    @pytest.mark.parametrize("headers", _HEADERS, ids=["none", "one", "baggage"])
    def test_a_consumer_sees_the_headers_that_were_published(self, headers: dict[str, str]) -> None:
        orders, given = self.destination(), dict(headers)
        self.strange(orders, headers=given)
        with self.request("acme"):
            self.publish(orders, headers=given)
        assert given == headers
        strange, carrying = self.taken(orders), self.taken(orders)
        assert _foreign(carrying.headers) == _foreign(strange.headers)

    def test_a_consumer_does_not_see_headers_of_ours(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
            self.publish(orders, headers={"x-theirs": "1"})
            self.publish(orders, headers={"baggage": "theirs=1"})
        seen = [self.taken(orders).headers for _ in range(3)]
        assert seen == [{}, {"x-theirs": "1"}, {"baggage": "theirs=1"}]

    def test_a_consumer_that_is_not_instrumented_takes_a_message_as_ever(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders, headers={"x-theirs": "1"})
        self.switch.on = False
        taken = self.taken(orders)
        assert taken.headers.get("x-theirs") == "1"
        assert self.worker.do(branch) is None

    def test_what_publishing_returns_is_what_it_would_return(self) -> None:
        orders = self.destination()
        plain = self.strange(orders)
        with self.request("acme"):
            assert type(self.publish(orders)) is type(plain)

    def test_an_exception_of_a_consumer_passes_and_nothing_leaks(self) -> None:
        orders = self.destination()
        for tenant in ("a", "b"):
            with self.request(tenant):
                self.publish(orders)
        error = LookupError("the consumer's own")

        def work() -> None:
            pack("left", "behind")
            raise error

        assert failure(lambda: self.work(orders, work)) is error
        assert (error.__cause__, error.__context__) == (None, None)
        assert self.tenants(orders) == ("b",)

    def test_it_can_be_switched_off_and_on_again(self) -> None:
        orders = self.destination()
        seen: list[object] = []
        for on in (True, False, True):
            self.switch.on = on
            with self.request("acme"):
                self.publish(orders)
            self.switch.on = True
            seen.append(self.tenants(orders))
        assert seen == [("acme",), (), ("acme",)]

    def test_a_consumer_that_is_switched_off_carries_nothing(self) -> None:
        orders = self.destination()
        with self.request("acme"):
            self.publish(orders)
        self.switch.on = False
        assert self.tenants(orders) == ()


def _foreign(headers: object) -> dict[str, str]:
    """Return headers that are not ours; of a header that we share, whether theirs is in it."""
    assert isinstance(headers, dict)
    foreign = {name: value for name, value in headers.items() if name not in OURS}
    if "theirs=1" in headers.get("baggage", ""):
        foreign["baggage"] = "theirs=1"
    return foreign
