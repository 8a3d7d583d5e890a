"""What an HTTP server is lent with a request, and gives back (`docs/lending.md`)."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

import pytest

from baggage import context
from baggage.context import Branch, current, ensure, pack
from baggage.testing._lending import LENDING, owned
from baggage.testing._server import Server
from baggage.testing.visitor import ask
from baggage.values import EMPTY, Baggage


class Lends(Server):
    """What was lent goes back with the answer; set `lends` to False for who never lends."""

    lends: ClassVar[bool] = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Take these properties out for who never lends."""
        super().__init_subclass__(**kwargs)
        if not cls.lends:
            for name in [name for name in vars(Lends) if name.startswith("test_")]:
                setattr(cls, name, None)

    @pytest.fixture
    def lending(self) -> Baggage:
        """Return what to ask with, and take what is lent."""
        self.boundary.configure(LENDING)
        return EMPTY.pack("n", 0)

    def test_a_view_writes_under_its_callers_root_and_gives_all_back(
        self, lending: Baggage
    ) -> None:
        def view() -> bytes:
            pack("n", 1)
            return b"done"

        home = self.answered(view, lending, lends=True).lent
        assert home.unpack("n") == (0, 1)
        assert list(home.history.seen) == list(lending.history.seen)
        assert owned(home) == [1]

    def test_who_writes_nothing_gives_back_what_was_lent_and_nothing_else(
        self, lending: Baggage
    ) -> None:
        home = self.answered(lambda: b"done", lending, lends=True).lent
        assert home.history.own == lending.history.own
        assert (home.keys(), dict(home.history.seen)) == ((), {})

    def test_ids_are_ignored_unless_somebody_said_so(self) -> None:
        carried = EMPTY.pack("n", 0)

        def view() -> bytes:
            pack("n", 1)
            return b"done"

        home = self.answered(view, carried, lends=True).lent
        assert home.history.own == {}
        assert set(home.unpack("n")) == {0, 1}
        assert len(home.history.seen) == 2

    def test_a_root_that_the_view_made_is_given_to_its_caller(self, lending: Baggage) -> None:
        def view() -> bytes:
            pack("n", 1)
            return b"done"

        home = self.answered(view, EMPTY, lends=True).lent
        assert (home.unpack("n"), owned(home)) == ((1,), [1])

    def test_a_stranger_is_given_nothing(self, lending: Baggage) -> None:
        def view() -> bytes:
            pack("n", 1)
            return b"done"

        assert "baggage" not in self.answered(view).headers

    def test_an_answer_that_is_an_error_gives_all_back(self, lending: Baggage) -> None:
        def view() -> int:
            pack("n", 1)
            return 404

        answered = self.answered(view, lending, lends=True)
        assert answered.status == 404
        assert (answered.lent.unpack("n"), owned(answered.lent)) == ((0, 1), [1])

    def test_nothing_is_kept_of_what_was_given_back(self, lending: Baggage) -> None:
        served: list[Branch] = []

        def view() -> bytes:
            pack("n", 1)
            served.append(ensure())
            return b"done"

        with self.visited(view) as visitor:
            visitor.ask(lending, lends=True)
            visitor.ask(EMPTY)
        first, second = served
        assert owned(first) == [0]
        assert second.baggage.unpack("n") == (1,)

    def test_a_branch_that_was_not_joined_keeps_its_part(self, lending: Baggage) -> None:
        kept: list[Branch] = []

        def view() -> bytes:
            kept.append(context.split()[1])
            pack("n", 1)
            return b"done"

        home = self.answered(view, lending, lends=True).lent
        (mine,), (theirs,) = owned(home), owned(kept[0])
        assert 0 < mine < 1
        assert mine + theirs == 1

    def test_a_stream_gives_all_back_with_its_headers_and_stays_exact(
        self, lending: Baggage
    ) -> None:
        late: list[Baggage] = []

        def chunks() -> Iterator[bytes]:
            pack("n", 1)
            yield b"first" * 9999
            pack("n", "late")
            late.append(current())
            yield b"second"

        home = self.answered(chunks, lending, lends=True).lent
        # What stands between may ask for the second part before it sends the headers.
        assert home.unpack("n") in ((0, 1), (0, 1, "late"))
        assert owned(home) == [1]
        known = home.pack("n", 2).join(late[0]).unpack("n")
        assert sorted(known, key=str) == [0, 1, 2, "late"]

    def test_concurrent_requests_give_back_their_own(self, lending: Baggage) -> None:
        def view() -> bytes:
            pack("n", "view's")
            return b"done"

        mine, *parts = lending.split(self.workers + 1)
        with self.serving(view) as url, ThreadPoolExecutor(self.workers) as pool:
            homes = list(pool.map(lambda part: ask(url, part, lends=True).lent, parts))
        for home in homes:
            mine = mine.join(home)
        assert mine.unpack("n").count("view's") == self.workers
        assert owned(mine) == [1]
