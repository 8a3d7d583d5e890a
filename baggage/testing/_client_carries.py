"""What travels with a call of an HTTP client, and comes home with the answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from baggage import context
from baggage.boundary import (
    Policy,
    read_header,
)
from baggage.context import attached, branch, current, pack, unpack
from baggage.testing._client import DOWN, HOME, Client
from baggage.testing.hostile import GARBAGE, REPEATED
from baggage.testing.origin import RESET, Received, Reply, service
from baggage.testing.suite import HERE, failure
from baggage.values import EMPTY


class Carries(Client):
    """Baggage goes out and comes home."""

    def test_a_call_carries_what_the_caller_packed(self) -> None:
        seen: list[object] = []
        pack("tenant", "acme")
        self.send(service(lambda: seen.append(unpack("tenant"))))
        assert seen == [("acme",)]

    def test_what_the_callee_packed_comes_home(self) -> None:
        pack("tenant", "acme")
        self.send(service(lambda: pack("tenant", "other")))
        assert set(unpack("tenant")) == {"acme", "other"}

    def test_what_was_packed_before_and_after_is_counted_once(self) -> None:
        for value in (1, 2, 3):
            pack("n", value)
            self.send(service(lambda: pack("n", 0)))
        assert sorted(unpack("n")) == [0, 0, 0, 1, 2, 3]

    def test_an_answer_that_comes_twice_is_joined_once(self) -> None:
        once: list[Reply] = []

        def work() -> None:
            pack("n", 1)
            pack(HOME, 1)

        def replay(received: Received) -> Reply:
            if not once:
                reply = service(work)(received)
                assert isinstance(reply, Reply)
                once.append(reply)
            return once[0]

        context.ensure()
        self.send(replay)
        self.send(replay)
        assert (unpack("n"), unpack(HOME)) == ((1,), (1,))

    def test_a_callee_that_echoes_what_it_was_sent_adds_nothing(self) -> None:
        pack("n", 1)
        with attached(current().with_down({DOWN: "mine"})) as running:
            self.send(lambda received: Reply(headers={"baggage": received.baggage or ""}))
            assert (running.unpack("n"), running.unpack(DOWN)) == ((1,), ("mine",))

    def test_siblings_do_not_see_each_other(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack("n"))
            pack("n", len(seen))

        pack("n", 0)
        mine, theirs = context.split()
        for sibling in (mine, theirs):
            with attached(sibling):
                self.send(service(work))
        assert seen == [(0,), (0,)]
        context.join(theirs)
        assert set(unpack("n")) == {0, 1, 2}

    def test_concurrent_calls_over_one_client_carry_their_own(self) -> None:
        self.origin.answer = service(lambda: pack("echo", unpack("n")[0]))
        send = self.sender()

        def call(n: int) -> object:
            with attached(EMPTY.pack("n", n)) as running:
                send(self.origin.url)
                return running.unpack("echo")

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(call, range(12))) == [(n,) for n in range(12)]

    def test_a_down_key_is_seen_by_the_callee_and_does_not_come_home(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack(DOWN))
            pack(DOWN, "callee's")

        with attached(EMPTY.with_down({DOWN: "caller's"})):
            self.send(service(work))
            assert unpack(DOWN) == ("caller's",)
        assert seen == [("caller's",)]

    def test_a_home_key_comes_home_and_does_not_go_out(self) -> None:
        seen: list[object] = []

        def work() -> None:
            seen.append(unpack(HOME))
            pack(HOME, "callee's")

        pack(HOME, "caller's")
        self.send(service(work))
        assert seen == [()]
        assert set(unpack(HOME)) == {"caller's", "callee's"}

    def test_nothing_is_sent_where_nothing_is_carried_and_nobody_asks(self) -> None:
        self.send()
        assert self.origin.received[0].baggage is None
        assert branch() is None

    def test_the_next_call_of_a_warm_client_carries_nothing_of_the_one_before(self) -> None:
        send = self.sender()
        with attached(EMPTY.pack("tenant", "acme")):
            send(self.origin.url)
        with attached(EMPTY):
            send(self.origin.url)
        assert self.sent().keys() == ()
        send(self.origin.url)
        assert self.origin.received[-1].baggage is None

    def test_nothing_leaks_after_an_exception(self) -> None:
        send = self.sender()
        self.origin.answer = lambda _: RESET
        with attached(EMPTY.pack("tenant", "acme")) as running:
            before = running.baggage
            failure(lambda: send(self.origin.url))
            assert (branch(), running.baggage) == (running, before)
        self.origin.answer = lambda _: Reply()
        send(self.origin.url)
        assert (branch(), self.origin.received[-1].baggage) == (None, None)

    def test_foreign_members_pass_through_untouched(self) -> None:
        foreign = ("b=2;secret;ttl=%20x", "a = 1", "b=1", "z=%C3%A9")
        with attached(read_header(",".join(foreign)).pack("tenant", "acme")):
            self.send()
        assert self.sent().foreign == foreign
        assert self.sent().unpack("tenant") == ("acme",)

    def test_members_that_the_application_set_stay(self) -> None:
        pack("tenant", "acme")
        self.sender_with({"baggage": "own=1;p=2,other=3"})(self.origin.url)
        assert self.sent().foreign == ("own=1;p=2", "other=3")
        assert self.sent().unpack("tenant") == ("acme",)

    @pytest.mark.parametrize("header", GARBAGE)
    def test_a_garbage_answer_is_delivered_as_without_it(self, header: str) -> None:
        pack("tenant", "acme")
        response = self.send(lambda _: Reply(headers={"baggage": header}))
        assert (self.status(response), self.body(response)) == (200, b"done")
        pack("n", 1)
        assert set(current().keys()) == {"tenant", "n"}

    def test_an_answer_whose_header_comes_several_times_is_delivered(self) -> None:
        pack("tenant", "acme")
        lines = "".join(f"baggage: {value}\r\n" for value in REPEATED)
        head = f"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n{lines}\r\n"
        response = self.send(lambda _: head.encode("latin-1") + b"done")
        assert (self.status(response), self.body(response)) == (200, b"done")
        assert current().keys() == ("tenant",)

    def test_a_host_that_may_not_receive_baggage_gets_none(self) -> None:
        self.boundary.configure(Policy(service=HERE, strict=True, hosts=("*.internal",)))
        pack("tenant", "acme")
        self.send()
        assert self.origin.received[0].baggage is None

    def test_a_redirect_to_a_host_that_may_not_receive_baggage_takes_none_there(self) -> None:
        self.boundary.configure(Policy(service=HERE, strict=True, hosts=("127.0.0.1",)))
        pack("tenant", "acme")
        self.send(self.redirect(f"http://localhost:{self.origin.port}/"))
        assert [bool(received.baggage) for received in self.origin.received] == [True, False]
