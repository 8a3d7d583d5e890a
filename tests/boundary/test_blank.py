"""Arrivals that nobody asks about and that brought nothing: a scope only where work makes one."""

from __future__ import annotations

from contextvars import copy_context

import pytest

from baggage.boundary import Boundary, Policy
from baggage.boundary.blank import serve
from baggage.context import Branch, branch, enter, pack


def test_work_that_packs_nothing_runs_in_no_branch_whatever_its_thread_carries() -> None:
    def arrive() -> None:
        around = Branch()
        enter(around)
        assert serve(Boundary(), branch) is None
        assert branch() is around

    copy_context().run(arrive)


@pytest.mark.parametrize("fails", [False, True])
def test_the_branch_that_work_makes_is_a_scope_that_ends_with_it_and_leaks_nothing(
    fails: bool,
) -> None:
    made: list[Branch | None] = []

    def work(value: int) -> int:
        pack("tenant", value)
        made.append(branch())
        return 1 // (0 if fails else value)

    def arrive() -> None:
        boundary = Boundary(Policy(strict=True))
        if fails:
            with pytest.raises(ZeroDivisionError):
                serve(boundary, work, 1)
        else:
            assert serve(boundary, work, 1) == 1
        assert branch() is None

    copy_context().run(arrive)
    (scope,) = made
    assert scope is not None
    assert scope.over
