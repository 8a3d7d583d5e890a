"""What arrives with a request at an HTTP server, and goes home with the answer."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from baggage.boundary import read_header
from baggage.context import current, pack, unpack
from baggage.testing._server import DOWN, FOUND, HOME, Server
from baggage.testing.hostile import GARBAGE, REPEATED
from baggage.testing.visitor import ask
from baggage.values import EMPTY


class Carries(Server):
    """Baggage arrives and goes home."""

    def test_what_the_caller_packed_arrives(self) -> None:
        seen: list[object] = []

        def view() -> bytes:
            seen.append(unpack("tenant"))
            return b"done"

        self.answered(view, EMPTY.pack("tenant", "acme"))
        assert seen == [("acme",)]

    def test_what_the_view_packs_goes_home(self) -> None:
        def view() -> bytes:
            pack("n", 2)
            return b"done"

        sent = EMPTY.pack("n", 1)
        home = self.answered(view, sent).baggage
        assert set(sent.join(home).join(home).unpack("n")) == {1, 2}
        assert len(sent.join(home).join(home).unpack("n")) == 2

    def test_a_down_key_is_seen_and_does_not_go_home(self) -> None:
        seen: list[object] = []

        def view() -> bytes:
            seen.append(unpack(DOWN))
            pack(DOWN, "view's")
            return b"done"

        home = self.answered(view, EMPTY.with_down({DOWN: "caller's"})).baggage
        assert seen == [("caller's",)]
        assert home.unpack(DOWN) == ()

    def test_a_home_key_goes_home(self) -> None:
        def view() -> bytes:
            pack(HOME, "view's")
            return b"done"

        assert self.answered(view, EMPTY).baggage.unpack(HOME) == ("view's",)

    def test_what_goes_home_says_which_service_answered(self) -> None:
        assert self.answered(lambda: b"done", EMPTY).baggage.origin

    @pytest.mark.parametrize("headers", [{}, {"baggage": "foreign=1"}])
    def test_a_stranger_gets_no_baggage(self, headers: dict[str, str]) -> None:
        def view() -> bytes:
            pack("n", 1)
            return b"done"

        assert "baggage" not in self.answered(view, headers=headers).headers

    def test_what_has_no_way_home_is_handed_to_its_owner(self) -> None:
        recorder = self.recorded()

        def view() -> bytes:
            pack(FOUND, 2)
            return b"done"

        self.answered(view)
        recorder.wait(lambda it: it.lost)
        assert recorder.lost == [("recorder.found", 2)]

    def test_a_warm_worker_starts_empty(self) -> None:
        seen: list[object] = []

        def view() -> bytes:
            seen.append(current().keys())
            pack("n", 1)
            return b"done"

        with self.visited(view) as visitor:
            for carried in (EMPTY.pack("tenant", "acme"), None, EMPTY):
                visitor.ask(carried)
        assert seen == [("tenant",), (), ()]

    def test_a_worker_starts_empty_after_an_exception(self) -> None:
        seen: list[object] = []

        def view() -> bytes:
            seen.append(current().keys())
            pack("n", 1)
            raise LookupError("the application's own")

        with self.serving(view) as url:
            for carried in (EMPTY.pack("tenant", "acme"), None):
                assert ask(url, carried).status == 500
        assert seen == [("tenant",), ()]

    def test_concurrent_requests_do_not_see_each_other(self) -> None:
        together = threading.Barrier(self.workers)

        def view() -> bytes:
            before = unpack("n")
            pack("n", "view's")
            together.wait(60)
            return repr((before, len(unpack("n")))).encode()

        with self.serving(view) as url, ThreadPoolExecutor(self.workers) as pool:
            bodies = pool.map(lambda n: ask(url, EMPTY.pack("n", n)).body, range(self.workers))
        assert sorted(bodies) == [repr(((n,), 2)).encode() for n in range(self.workers)]

    @pytest.mark.parametrize("header", GARBAGE)
    def test_a_request_with_garbage_is_served_as_without(self, header: str) -> None:
        def view() -> bytes:
            return repr(current().keys()).encode()

        answered = self.answered(view, headers={"baggage": f"a=1,{header}"})
        assert (answered.status, answered.body) == (200, b"()")

    def test_a_request_whose_header_comes_several_times_is_served(self) -> None:
        def view() -> bytes:
            return repr(current().keys()).encode()

        repeated = [("baggage", value) for value in REPEATED]
        answered = self.answered(view, headers=repeated)
        assert (answered.status, answered.body) == (200, b"()")

    def test_foreign_members_arrive_untouched(self) -> None:
        foreign = ("b=2;secret;ttl=%20x", "a = 1", "b=1", "z=%C3%A9")
        seen: list[object] = []

        def view() -> bytes:
            seen.append(current().foreign)
            return b"done"

        carried = read_header(",".join(foreign)).pack("tenant", "acme")
        answered = self.answered(view, carried)
        assert seen == [foreign]
        assert answered.baggage.foreign == ()

    @pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("POST", 200)])
    def test_an_answer_without_a_body_brings_baggage_home(self, method: str, status: int) -> None:
        def view() -> bytes | int:
            pack("n", 1)
            return b"body" if status == 200 else status

        answered = self.answered(view, EMPTY, method=method)
        assert answered.status == status
        assert answered.baggage.unpack("n") == (1,)

    def test_it_can_be_switched_off_and_on_again(self) -> None:
        seen: list[object] = []

        def view() -> bytes:
            seen.append(unpack("tenant"))
            return b"done"

        recorder = self.recorded()
        with self.visited(view) as visitor:
            for on in (True, False, True):
                self.switch.on = on
                visitor.ask(EMPTY.pack("tenant", "acme"))
        assert seen == [("acme",), (), ("acme",)]
        recorder.wait(lambda it: len(it.ended) == 2)
