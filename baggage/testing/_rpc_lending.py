"""What a call of an RPC library lends, and what comes home (`docs/lending.md`)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from baggage import context
from baggage.boundary import Fault, FaultKind, Inject
from baggage.context import Branch, attached, ensure, pack, unpack
from baggage.testing._client_faults import unheard
from baggage.testing._lending import LENDING, lent, owned
from baggage.testing._rpc import Call, Metadata, Rpc
from baggage.testing.suite import failure, outcome_of
from baggage.values import EMPTY


class Lends(Rpc):
    """Callers lend, and callees give back. Set `lends` to False for calls that never lend."""

    lends: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take out what does not hold for calls that never lend."""
        super().__init_subclass__(**kwargs)
        if not cls.lends:
            for name in [name for name in vars(Lends) if name.startswith("test_")]:
                setattr(cls, name, None)

    @pytest.fixture
    def lending(self) -> Iterator[Branch]:
        """Let all tests that ask for it run in a branch, and lend to all hosts."""
        self.boundary.configure(LENDING)
        with attached(EMPTY.pack("n", 0)) as running:
            yield running

    def hasty(self, address: str) -> Call:
        """Do as `calling`, for calls that wait a fifth of a second for an answer."""
        raise NotImplementedError("say how a call is made that waits 0.2 s for an answer")

    def noting(self, notes: list[Any], work: Callable[[], object] = lambda: None) -> None:
        """Have the callee note how much it is lent, and do some work."""

        def answer(request: bytes, metadata: Metadata) -> bytes:
            notes.append(lent(dict(metadata).get("baggage")))
            work()
            return request

        self.service.answer = answer

    def test_what_is_lent_comes_home_with_the_answer(self, lending: Branch) -> None:
        notes: list[Any] = []
        self.noting(notes, lambda: pack("n", 1))
        self.call()
        pack("n", 2)
        assert (notes, unpack("n"), owned(lending)) == ([1], (0, 1, 2), [1])

    def test_nothing_is_lent_unless_somebody_said_so(self) -> None:
        notes: list[Any] = []
        self.noting(notes, lambda: pack("n", 1))
        pack("n", 0)
        self.call()
        assert (notes, set(unpack("n"))) == ([0], {0, 1})

    def test_one_root_serves_a_request_that_a_callee_began(self) -> None:
        self.boundary.configure(LENDING)
        with attached(EMPTY) as running:
            for n in range(3):
                self.call(self.does(lambda n=n: pack("n", n)))  # type: ignore[misc]
            assert unpack("n") == (0, 1, 2)
            assert owned(running) == [1]

    def test_nothing_is_kept_of_what_was_given_back(self, lending: Branch) -> None:
        served: list[Branch] = []

        def work() -> None:
            pack("n", 1)
            served.append(ensure())

        self.call(self.does(work))
        assert (owned(served[0]), owned(lending)) == ([0], [1])

    def test_a_callee_that_refuses_gives_all_back(self, lending: Branch) -> None:
        failure(lambda: self.call(self.refuses(lambda: pack("n", 1))))
        assert (unpack("n"), owned(lending)) == ((0, 1), [1])

    def test_a_callee_that_fails_gives_all_back(self, lending: Branch) -> None:
        def work() -> None:
            pack("n", 1)
            raise LookupError("the callee's own")

        failure(lambda: self.call(self.does(work)))
        assert (unpack("n"), owned(lending)) == ((0, 1), [1])

    def test_what_never_left_because_of_a_fault_is_at_home(self, lending: Branch) -> None:
        for fault, _ in self.faults:
            scripted = self.scripted(Inject(fault))
            outcome_of(self.call)
            assert owned(lending) == [1]
            self.boundary.unregister(scripted.name)

    def test_what_was_refused_comes_home(self, lending: Branch) -> None:
        with unheard() as port:
            failure(lambda: self.calling(f"127.0.0.1:{port}")(b"request"))
        pack("n", 1)
        assert (unpack("n"), owned(lending)) == ((0, 1), [1])

    def test_what_was_lost_by_a_fault_after_the_answer_had_come_home_by_then(
        self, lending: Branch
    ) -> None:
        self.scripted(then=Fault(FaultKind.TIMEOUT))
        failure(lambda: self.call(self.does(lambda: pack("n", 1))))
        assert (unpack("n"), owned(lending)) == ((0, 1), [1])

    def test_a_timeout_leaves_less_than_all_and_what_is_written_later_exact(
        self, lending: Branch
    ) -> None:
        over = threading.Event()

        def work() -> None:
            pack("n", "unheard")
            over.wait(60)

        self.service.answer = self.does(work)
        hasty = self.hasty(self.address)
        try:
            failure(lambda: hasty(b"request"))
        finally:
            over.set()
        assert owned(lending) == [0]
        self.call(self.does(lambda: pack("n", 1)))
        pack("n", 2)
        assert set(unpack("n")) == {0, 1, 2}
        assert owned(lending) == [0, 1]

    def test_siblings_lend_a_part_each(self, lending: Branch) -> None:
        self.service.answer = self.does(lambda: pack("n", 1))
        siblings = [context.split()[1] for _ in range(3)]
        call = self.calling(self.address)
        for sibling in siblings:
            with attached(sibling):
                call(b"request")
            context.join(sibling)
        pack("n", 2)
        assert unpack("n").count(1) == 3
        assert owned(lending) == [1]

    def test_a_stream_is_lent_nothing(self, lending: Branch) -> None:
        notes: list[Any] = []

        def answers(request: bytes, metadata: Metadata) -> Iterator[bytes]:
            notes.append(lent(dict(metadata).get("baggage")))
            pack("n", 1)
            yield request

        self.service.answers = answers
        assert list(self.streaming(self.address)(b"request")) == [b"request"]
        assert notes == [0]
        assert set(unpack("n")) == {0, 1}
        assert owned(lending) == [0, 1]

    def test_a_host_that_may_not_borrow_is_lent_nothing(self, lending: Branch) -> None:
        notes: list[Any] = []
        self.boundary.configure(replace(LENDING, lend=("*.internal",)))
        self.noting(notes)
        self.call()
        assert (notes, owned(lending)) == ([0], [1])
