"""What holds for the streams of an RPC library."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from baggage.boundary import Fault, FaultKind, Inject, Kind, Raised, Returned
from baggage.context import attached, branch, pack, unpack
from baggage.testing._rpc import Metadata, Refused, Rpc
from baggage.testing.suite import eventually, failure
from baggage.values import EMPTY


class Streams(Rpc):
    """A stream is not read ahead, and is in the scope of its call on both sides."""

    def test_a_stream_is_not_read_ahead(self) -> None:
        more = threading.Event()
        self.recorded(Kind.CLIENT, Kind.SERVER)

        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            yield b"first"
            assert more.wait(60)
            yield b"second"

        self.service.answers = answers
        stream = self.streaming(self.address)(b"request")
        assert next(stream) == b"first"
        more.set()
        assert list(stream) == [b"second"]

    def test_a_stream_runs_in_the_scope_of_its_call(self) -> None:
        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            for _n in range(3):
                yield repr(unpack("tenant")).encode()

        self.service.answers = answers
        call = self.streaming(self.address)
        with attached(EMPTY.pack("tenant", "acme")):
            assert list(call(b"request")) == [b"('acme',)"] * 3
        assert list(call(b"request")) == [b"()"] * 3
        assert branch() is None

    def test_what_a_stream_packs_comes_home_at_its_end(self) -> None:
        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            for n in range(3):
                pack("n", n)
                yield b"message"

        self.service.answers = answers
        with attached(EMPTY.pack("tenant", "acme")):
            stream = self.streaming(self.address)(b"request")
            next(stream)
            assert unpack("n") == ()
            assert len(list(stream)) == 2
            assert set(unpack("n")) == {0, 1, 2}

    def test_what_a_stream_packs_comes_home_with_its_refusal(self) -> None:
        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            pack("n", 1)
            yield b"message"
            raise Refused(self.refusal, "no more")

        self.service.answers = answers
        with attached(EMPTY.pack("tenant", "acme")):
            stream = self.streaming(self.address)(b"request")
            assert next(stream) == b"message"
            assert self.code(failure(lambda: next(stream))) == self.refusal
            assert unpack("n") == (1,)

    def test_a_stream_ends_its_crossings_at_its_end(self) -> None:
        recorder = self.recorded(Kind.CLIENT, Kind.SERVER)
        more = threading.Event()

        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            yield b"first"
            assert more.wait(60)

        self.service.answers = answers
        stream = self.streaming(self.address)(b"request")
        next(stream)
        assert recorder.ended == []
        more.set()
        assert list(stream) == []
        recorder.wait(lambda it: len(it.ended) == 2)
        for crossed in recorder.ended:
            outcome = crossed.outcome
            assert isinstance(outcome, Returned)
            assert (outcome.facts.status, outcome.facts.digest()) == (0, None)

    def test_a_caller_who_lets_go_ends_the_crossings(self) -> None:
        recorder = self.recorded(Kind.CLIENT, Kind.SERVER)

        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            while True:
                yield b"message"

        self.service.answers = answers
        stream = self.streaming(self.address)(b"request")
        next(stream)
        stream.close()  # type: ignore[attr-defined]

        def ended() -> bool:
            self.turned()
            return len(recorder.ended) == 2

        eventually(ended)
        outcomes = {crossed.call.kind: crossed.outcome for crossed in recorder.ended}
        assert isinstance(outcomes[Kind.CLIENT], Raised)
        assert not isinstance(outcomes[Kind.SERVER], Returned)

    def test_an_injected_fault_fails_a_stream_at_its_first_step(self) -> None:
        ran: list[int] = []

        def answers(_: bytes, __: Metadata) -> Iterator[bytes]:
            ran.append(1)
            yield b"message"

        self.service.answers = answers
        call = self.streaming(self.address)
        for fault, code in self.faults:
            self.scripted(Inject(fault))
            stream = call(b"request")
            assert self.code(failure(lambda: next(stream))) == code  # noqa: B023 - called at once
        assert ran == []

    def test_a_fault_that_befalls_a_stream_takes_the_place_of_its_end(self) -> None:
        self.scripted(then=Fault(FaultKind.TIMEOUT))
        stream = self.streaming(self.address)(b"request")
        assert self.code(failure(lambda: list(stream))) == 4

    def turned(self) -> None:
        """Let an event loop take a turn, in a suite of one that runs only while it's asked to."""
