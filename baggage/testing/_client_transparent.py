"""What the application does not notice around the calls of an HTTP client."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from baggage import context
from baggage.boundary import (
    Fault,
    FaultKind,
    Inject,
    Interest,
    Kind,
    Raised,
)
from baggage.context import pack
from baggage.testing._client import Client
from baggage.testing.apps import Recorder
from baggage.testing.origin import RESET, Reply
from baggage.testing.origin import Answer as Answering
from baggage.testing.suite import chain, failure


class Transparent(Client):
    """Exceptions, streams and objects stay as they are.

    `patience` is how many seconds the second half of a stream waits for the first one's reader.
    """

    patience: ClassVar[float] = 60.0

    def test_an_exception_passes_as_it_would_without_us(self) -> None:
        recorder = self.recorded()
        pack("tenant", "acme")

        with_us = failure(lambda: self.send(lambda _: RESET))
        outcome = recorder.ended[0].outcome
        assert isinstance(outcome, Raised)
        assert outcome.error is self.told(with_us)
        self.switch.on = False
        assert chain(with_us) == chain(failure(lambda: self.send(lambda _: RESET)))

    def test_an_injected_exception_keeps_its_causes_in_a_handler(self) -> None:
        def send(answer: Answering) -> None:
            try:
                raise KeyError("being handled")
            except KeyError:
                self.send(answer)

        real = chain(failure(lambda: send(lambda _: RESET)))
        self.scripted(Inject(Fault(FaultKind.RESET)))
        assert chain(failure(lambda: send(lambda _: Reply()))) == real

    def test_a_client_made_before_is_instrumented_too(self) -> None:
        self.switch.on = False
        send = self.sender()
        pack("tenant", "acme")
        send(self.origin.url)
        self.switch.on = True
        send(self.origin.url)
        assert [bool(received.baggage) for received in self.origin.received] == [False, True]

    def test_it_can_be_switched_off_and_on_again(self) -> None:
        recorder = self.recorded()
        pack("tenant", "acme")
        for on in (True, False, True):
            self.switch.on = on
            self.send()
        assert [bool(received.baggage) for received in self.origin.received] == [True, False, True]
        assert len(recorder.ended) == 2

    @pytest.mark.parametrize("asks", [Interest.OBSERVE, Interest.NONE])
    def test_a_stream_is_not_read_ahead(self, asks: Interest) -> None:
        more = threading.Event()
        self.boundary.register(Recorder(kinds=(Kind.CLIENT,), asks=asks))
        context.ensure()

        def chunks() -> Iterator[bytes]:
            yield b"first"
            assert more.wait(self.patience)
            yield b"second"

        self.origin.answer = lambda _: Reply(body=chunks())
        body = self.streaming()(self.origin.url)
        read = next(body)
        more.set()
        assert read + b"".join(body) == b"firstsecond"
