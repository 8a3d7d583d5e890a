"""What travels with a call of an RPC library, and comes home with the answer."""

from __future__ import annotations

import re
from typing import Final

import pytest

from baggage import context
from baggage.boundary import read_header
from baggage.context import attached, branch, current, pack, suppressed, unpack
from baggage.testing._rpc import DOWN, HOME, Metadata, Rpc
from baggage.testing.hostile import GARBAGE
from baggage.testing.suite import chain, failure
from baggage.values import EMPTY

# What no RPC library sends can't arrive either.
SENDABLE: Final = tuple(header for header in GARBAGE if header.isascii() and header.isprintable())


class Carries(Rpc):
    """Baggage goes out and comes home."""

    def test_a_call_carries_what_the_caller_packed(self) -> None:
        seen: list[object] = []
        pack("tenant", "acme")
        self.call(self.does(lambda: seen.append(unpack("tenant"))))
        assert seen == [("acme",)]

    def test_what_the_callee_packed_comes_home(self) -> None:
        pack("tenant", "acme")
        assert self.call(self.does(lambda: pack("tenant", "other"))) == b"request"
        assert set(unpack("tenant")) == {"acme", "other"}

    def test_what_was_packed_before_and_after_is_counted_once(self) -> None:
        for value in (1, 2, 3):
            pack("n", value)
            self.call(self.does(lambda: pack("n", 0)))
        assert sorted(unpack("n")) == [0, 0, 0, 1, 2, 3]

    def test_siblings_do_not_see_each_other(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack("n"))
            pack("n", len(seen))

        pack("n", 0)
        mine, theirs = context.split()
        for sibling in (mine, theirs):
            with attached(sibling):
                self.call(self.does(work))
        assert seen == [(0,), (0,)]
        context.join(theirs)
        assert set(unpack("n")) == {0, 1, 2}

    def test_a_down_key_is_seen_by_the_callee_and_does_not_come_home(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack(DOWN))
            pack(DOWN, "callee's")

        with attached(EMPTY.with_down({DOWN: "caller's"})):
            self.call(self.does(work))
            assert unpack(DOWN) == ("caller's",)
        assert seen == [("caller's",)]

    def test_a_home_key_comes_home_and_does_not_go_out(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack(HOME))
            pack(HOME, "callee's")

        pack(HOME, "caller's")
        self.call(self.does(work))
        assert seen == [()]
        assert set(unpack(HOME)) == {"caller's", "callee's"}

    def test_a_callee_that_refuses_sends_home_what_it_packed(self) -> None:
        def work() -> None:
            pack(HOME, 1)
            pack("n", 1)

        context.ensure()
        error = failure(lambda: self.call(self.refuses(work)))
        assert self.code(error) == self.refusal
        assert (unpack(HOME), unpack("n")) == ((1,), (1,))

    def test_a_callee_that_fails_sends_home_what_it_packed(self) -> None:
        def work() -> None:
            pack(HOME, 1)
            raise LookupError("the callee's own")

        context.ensure()
        error = failure(lambda: self.call(self.does(work)))
        assert self.code(error) == self.failure
        assert unpack(HOME) == (1,)

    def test_nothing_is_sent_where_nothing_is_carried_and_nobody_asks(self) -> None:
        seen: list[object] = []

        def answer(request: bytes, metadata: Metadata) -> bytes:
            seen.append(dict(metadata).get("baggage"))
            return request

        self.call(answer)
        assert seen == [None]
        assert branch() is None

    def test_a_warm_worker_starts_empty(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack("tenant"))
            pack("tenant", "callee's")

        self.service.answer = self.does(work)
        call = self.calling(self.address)
        with attached(EMPTY.pack("tenant", "acme")):
            call(b"1")
        for _ in range(4):
            call(b"2")
        assert seen == [("acme",), (), (), (), ()]

    def test_nothing_leaks_after_an_exception(self) -> None:
        seen: list[object] = []
        call = self.calling(self.address)
        self.service.answer = self.refuses()
        with attached(EMPTY.pack("tenant", "acme")) as running:
            failure(lambda: call(b"1"))
            assert branch() is running
            assert running.unpack("tenant") == ("acme",)
        self.service.answer = self.does(lambda: seen.append(unpack("tenant")))
        call(b"2")
        assert (branch(), seen) == (None, [()])

    def test_metadata_of_the_application_arrives_in_its_order(self) -> None:
        seen: list[Metadata] = []

        def answer(request: bytes, metadata: Metadata) -> bytes:
            seen.append([item for item in metadata if item[0].startswith("x-")])
            return request

        self.service.answer = answer
        pack("tenant", "acme")
        metadata = [("x-b", "2"), ("x-b", "1"), ("x-a", "3")]
        self.calling(self.address, metadata)(b"request")
        assert seen == [metadata] == [[("x-b", "2"), ("x-b", "1"), ("x-a", "3")]]

    def test_members_that_the_application_set_stay(self) -> None:
        seen: list[object] = []
        self.service.answer = self.does(lambda: seen.append((current().foreign, unpack("tenant"))))
        pack("tenant", "acme")
        self.calling(self.address, [("baggage", "own=1;p=2,other=3")])(b"request")
        assert seen == [(("own=1;p=2", "other=3"), ("acme",))]

    def test_foreign_members_arrive_whatever_white_space_they_have(self) -> None:
        seen: list[object] = []
        foreign = ("b=2;secret;ttl=%20x", "a\t=\t1", "z=%C3%A9")
        with attached(read_header(",".join(foreign)).pack("tenant", "acme")):
            self.call(self.does(lambda: seen.append((current().foreign, unpack("tenant")))))
        assert seen == [(("b=2;secret;ttl=%20x", "a = 1", "z=%C3%A9"), ("acme",))]

    @pytest.mark.parametrize("header", SENDABLE)
    def test_a_request_with_garbage_is_served_as_without(self, header: str) -> None:
        seen: list[object] = []
        self.service.answer = self.does(lambda: seen.append(current().keys()))
        with suppressed():
            call = self.calling(self.address, [("baggage", f"a=1,{header}")])
            assert call(b"request") == b"request"
        assert seen == [()]

    def test_much_baggage_beside_much_metadata_is_within_what_is_taken(self) -> None:
        metadata = [("x-much", "m" * 3000), ("x-more", "m" * 2500)]
        call = self.calling(self.address, metadata)
        for n in range(200):
            pack(f"key{n}", "v" * 100)
        for _ in range(8):
            assert call(b"request") == b"request"

    def test_nothing_is_carried_in_what_a_meta_application_does(self) -> None:
        seen: list[object] = []
        recorder = self.recorded()
        pack("tenant", "acme")
        self.service.answer = self.does(lambda: seen.append(unpack("tenant")))
        with suppressed():
            self.call()
        assert (seen, recorder.begun) == ([()], [])

    def test_it_can_be_switched_off_and_on_again_on_what_was_made_before(self) -> None:
        seen: list[object] = []
        self.service.answer = self.does(lambda: seen.append(unpack("tenant")))
        recorder = self.recorded()
        self.switch.on = False
        call = self.calling(self.address)
        pack("tenant", "acme")
        for on in (True, False, True):
            self.switch.on = on
            call(b"request")
        assert seen == [("acme",), (), ("acme",)]
        assert len(recorder.ended) == 2

    def test_what_is_made_while_it_is_off_is_covered_when_it_is_on(self) -> None:
        self.switch.on = False
        seen: list[object] = []
        self.service.answer = self.does(lambda: seen.append(unpack("tenant")))
        with self.serving(self.service) as address:
            call = self.calling(address)
            self.switch.on = True
            pack("tenant", "acme")
            call(b"request")
        assert seen == [("acme",)]

    def test_an_exception_is_what_it_is_without(self) -> None:
        self.service.answer = self.refuses()
        call = self.calling(self.address)
        self.switch.on = False
        plain = failure(lambda: call(b"request"))
        self.switch.on = True
        self.recorded()
        pack("tenant", "acme")
        seen = failure(lambda: call(b"request"))
        assert (chain(seen), _steady(seen), self.code(seen)) == (
            chain(plain),
            _steady(plain),
            self.code(plain),
        )


def _steady(error: BaseException | None) -> str:
    """Return what an error says, but for what a library adds in any order, with the time."""
    return re.sub(r"\{[^{}]*\}", "{...}", str(error))
