"""What an HTTP client lends with a call, and when it comes home (`docs/lending.md`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, ClassVar, Final

import pytest

from baggage import context
from baggage.boundary import Fault, FaultKind, Inject
from baggage.context import attached, current, pack, unpack
from baggage.testing._client import Client
from baggage.testing._client_faults import refusing
from baggage.testing._lending import LENDING, lent, owned
from baggage.testing.origin import HANG, RESET, Answer, Received, Reply, service
from baggage.testing.suite import eventually, failure, outcome_of
from baggage.values import EMPTY

_LIKE: Final = {
    "test_each_retry_is_lent_what_the_one_before_gave_back": (
        "test_each_retry_that_the_hook_can_see_is_an_attempt"
    ),
    "test_each_hop_of_a_redirect_is_lent_what_the_one_before_gave_back": (
        "test_a_redirect_is_two_attempts"
    ),
    "test_concurrent_calls_lend_a_part_each": (
        "test_concurrent_calls_over_one_client_carry_their_own"
    ),
}
"""What is tried where something else is, too."""


class Lends(Client):
    """Whoever may write is lent to at each attempt. Set `lends` to False for who never lends."""

    lends: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take out what doesn't hold for who never lends, or does not hold without lending."""
        super().__init_subclass__(**kwargs)
        for name in [name for name in vars(Lends) if name.startswith("test_")]:
            if not cls.lends or getattr(cls, _LIKE.get(name, name), None) is None:
                setattr(cls, name, None)

    @pytest.fixture
    def lending(self) -> Iterator[context.Branch]:
        """Let all tests that ask for it run in a branch, and lend to all hosts."""
        self.boundary.configure(LENDING)
        with attached(EMPTY.pack("n", 0)) as running:
            yield running

    def callee(self, work: Callable[[], object] = lambda: pack("n", 1)) -> Answer:
        """Return the answer of a service that lends, and does this work."""
        return service(work, lend=LENDING.lend)

    def test_what_is_lent_comes_home_with_the_answer(self, lending: context.Branch) -> None:
        self.send(self.callee())
        pack("n", 2)
        assert unpack("n") == (0, 1, 2)
        assert owned(lending) == [1]
        assert lent(self.origin.received[0].baggage) == 1

    def test_nothing_is_lent_unless_somebody_said_so(self) -> None:
        pack("n", 0)
        self.send(self.callee())
        assert lent(self.origin.received[0].baggage) == 0
        assert set(unpack("n")) == {0, 1}

    def test_a_callee_that_never_lends_gives_nothing_back_and_all_stays_exact(
        self, lending: context.Branch
    ) -> None:
        self.send(service(lambda: pack("n", 1)))
        pack("n", 2)
        assert set(unpack("n")) == {0, 1, 2}
        assert owned(lending) == [0, 0, 1]

    def test_one_root_serves_a_request_that_a_callee_began(self) -> None:
        self.boundary.configure(LENDING)
        with attached(EMPTY) as running:
            for n in range(3):
                self.send(self.callee(lambda n=n: pack("n", n)))  # type: ignore[misc]
            assert unpack("n") == (0, 1, 2)
            assert owned(running) == [1]

    def test_what_never_left_because_of_a_fault_is_at_home(self, lending: context.Branch) -> None:
        for fault in self.faults:
            scripted = self.scripted(Inject(fault))
            outcome_of(self.send)
            assert owned(lending) == [1]
            self.boundary.unregister(scripted.name)
        assert self.origin.received == []

    def test_what_was_refused_comes_home(self, lending: context.Branch) -> None:
        with refusing() as url:
            failure(lambda: self.sender()(url))
        pack("n", 1)
        assert (unpack("n"), owned(lending)) == ((0, 1), [1])

    def test_what_was_lost_by_a_fault_after_the_answer_had_come_home_by_then(
        self, lending: context.Branch
    ) -> None:
        for kind in (FaultKind.TIMEOUT, FaultKind.RESET, FaultKind.STATUS):
            scripted = self.scripted(then=Fault(kind, status=500))
            outcome_of(lambda: self.send(self.callee()))
            assert owned(lending) == [1]
            self.boundary.unregister(scripted.name)

    def test_a_reset_leaves_less_than_all_and_what_is_written_later_exact(
        self, lending: context.Branch
    ) -> None:
        failure(lambda: self.send(lambda _: RESET))
        assert owned(lending) == [0]
        self.send(self.callee())
        pack("n", 2)
        assert set(unpack("n")) == {0, 1, 2}
        assert owned(lending) == [0, 1]

    def test_a_timeout_leaves_less_than_all_and_what_is_written_later_exact(
        self, lending: context.Branch
    ) -> None:
        late: list[Reply] = []
        work = self.callee(lambda: pack("n", "unheard"))

        def answer(received: Received) -> Any:
            reply = work(received)
            assert isinstance(reply, Reply)
            late.append(reply)
            return HANG

        self.origin.answer = answer
        self.origin.overdue(lambda: self.hasty()(self.origin.url))
        assert owned(lending) == [0]
        pack("n", 2)
        assert set(unpack("n")) == {0, 2}
        assert owned(lending) == [0, 1]
        # What the callee wrote is nobody else's: it may come by another way.
        eventually(lambda: late)
        self.send(lambda _: Reply(headers=late[0].headers))
        assert set(unpack("n")) == {0, 2, "unheard"}
        assert owned(lending)[0] == 0

    def test_an_answer_that_comes_to_a_later_call_too_brings_ids_once(
        self, lending: context.Branch
    ) -> None:
        once: list[Reply] = []

        def replay(received: Received) -> Reply:
            if not once:
                reply = self.callee()(received)
                assert isinstance(reply, Reply)
                once.append(reply)
            return once[0]

        self.send(replay)
        pack("n", 2)
        self.send(replay)
        assert owned(lending) == [0]
        pack("n", 3)
        assert sorted(map(int, unpack("n"))) == [0, 1, 2, 3]

    def test_of_a_request_that_is_served_twice_what_was_answered_counts_once(
        self, lending: context.Branch
    ) -> None:
        """More can't be had: who duplicates messages duplicates the right to write."""

        def twice(received: Received) -> Any:
            self.callee()(received)
            return self.callee()(received)

        self.send(twice)
        pack("n", 2)
        assert unpack("n") == (0, 1, 2)
        assert owned(lending) == [1]

    def test_an_answer_that_is_an_error_brings_all_home(self, lending: context.Branch) -> None:
        def answer(received: Received) -> Reply:
            reply = self.callee()(received)
            assert isinstance(reply, Reply)
            return replace(reply, status=503)

        outcome_of(lambda: self.send(answer))
        assert (unpack("n"), owned(lending)) == ((0, 1), [1])

    def test_each_retry_is_lent_what_the_one_before_gave_back(
        self, lending: context.Branch
    ) -> None:
        replies = iter([503, 503, 200])

        def answer(received: Received) -> Reply:
            reply = self.callee()(received)
            assert isinstance(reply, Reply)
            return replace(reply, status=next(replies))

        self.origin.answer = answer
        self.retrying()(self.origin.url)
        assert [lent(each.baggage) for each in self.origin.received] == [1, 1, 1]
        assert (unpack("n"), owned(lending)) == ((0, 1, 1, 1), [1])

    def test_each_hop_of_a_redirect_is_lent_what_the_one_before_gave_back(
        self, lending: context.Branch
    ) -> None:
        def answer(received: Received) -> Reply:
            reply = self.callee()(received)
            assert isinstance(reply, Reply)
            if len(self.origin.received) > 1:
                return reply
            headers = {**reply.headers, "Location": self.origin.url}
            return replace(reply, status=302, headers=headers)

        self.send(answer)
        assert [lent(each.baggage) for each in self.origin.received] == [1, 1]
        assert (unpack("n"), owned(lending)) == ((0, 1, 1), [1])

    def test_concurrent_calls_lend_a_part_each(self, lending: context.Branch) -> None:
        self.origin.answer = self.callee()
        send = self.sender()
        siblings = [context.split()[1] for _ in range(4)]

        def call(sibling: context.Branch) -> None:
            with attached(sibling):
                send(self.origin.url)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(call, siblings))
        for sibling in siblings:
            context.join(sibling)
        pack("n", 2)
        assert sorted(map(int, unpack("n"))) == [0, 1, 1, 1, 1, 2]
        assert owned(lending) == [1]

    def test_a_stream_brings_all_home_with_its_headers(self, lending: context.Branch) -> None:
        def answer(received: Received) -> Reply:
            reply = self.callee()(received)
            assert isinstance(reply, Reply)
            return replace(reply, body=iter([b"chunk", b"chunk"]))

        self.origin.answer = answer
        chunks = self.streaming()(self.origin.url)
        first = next(chunks)
        assert owned(lending) == [1]
        assert b"".join([first, *chunks]) == b"chunkchunk"

    def test_a_host_that_may_not_borrow_is_lent_nothing(self, lending: context.Branch) -> None:
        self.boundary.configure(replace(LENDING, lend=("*.internal",)))
        self.send(self.callee())
        assert lent(self.origin.received[0].baggage) == 0
        assert owned(lending) == [0, 1]
        assert set(current().unpack("n")) == {0, 1}
