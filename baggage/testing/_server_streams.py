"""What holds for an HTTP server's streams."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from baggage.context import pack, unpack
from baggage.testing._server import FOUND, Server
from baggage.values import EMPTY


class Streams(Server):
    """A stream is not read ahead, and stays in the scope of its request."""

    def test_a_stream_is_not_read_ahead(self) -> None:
        more = threading.Event()
        self.recorded()

        def chunks() -> Iterator[bytes]:
            yield b"first"
            assert more.wait(60)
            yield b"second"

        with self.visited(chunks) as visitor:
            response = visitor.begin(EMPTY)
            assert response.read(5) == b"first"
            more.set()
            assert response.read() == b"second"

    def test_a_stream_runs_in_the_scope_of_its_request(self) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(3):
                yield repr(unpack("tenant")).encode()

        with self.visited(chunks) as visitor:
            assert visitor.ask(EMPTY.pack("tenant", "acme")).body == b"('acme',)" * 3
            assert visitor.ask().body == b"()" * 3

    def test_what_is_packed_before_the_first_chunk_goes_home(self) -> None:
        def chunks() -> Iterator[bytes]:
            pack("n", 1)
            yield b"chunk"

        assert self.answered(chunks, EMPTY).baggage.unpack("n") == (1,)

    def test_what_is_packed_too_late_to_go_home_is_handed_to_its_owner(self) -> None:
        recorder = self.recorded()

        def chunks() -> Iterator[bytes]:
            yield b"chunk"
            pack(FOUND, 2)

        self.answered(chunks, EMPTY)
        # By then: who has read all of it may rely on what was told.
        assert recorder.lost == [("recorder.found", 2)]

    def test_a_stream_ends_its_crossing_at_its_end(self) -> None:
        recorder = self.recorded()
        more = threading.Event()

        def chunks() -> Iterator[bytes]:
            yield b"first"
            assert more.wait(60)

        with self.visited(chunks) as visitor:
            response = visitor.begin(EMPTY)
            response.read(5)
            assert recorder.ended == []
            more.set()
            response.read()
            recorder.wait(lambda it: it.ended)
        assert recorder.ended[0].outcome is not None

    def test_a_caller_who_hangs_up_ends_the_crossing(self) -> None:
        recorder = self.recorded()

        def chunks() -> Iterator[bytes]:
            while True:
                yield b"chunk" * 10_000

        with self.visited(chunks) as visitor:
            visitor.begin(EMPTY).read(5)
            visitor.leave()
            recorder.wait(lambda it: it.ended)
