"""What forks in one process have in common: nothing but the branch itself is carried.

Also what groups of them, of whichever library, keep for whoever waits for all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context
from dataclasses import dataclass
from functools import partial
from types import CoroutineType
from typing import Any, Final

from baggage.boundary import Call, CannotEnact, Facts, Fault, Fork, Kind, PlainFacts
from baggage.context import branch, branch_in

_ENDED: Final = "_baggage_ended"
_KEPT: Final = 1000
_BRIDGES: Final = ("AsyncToSync.", "SyncToAsync.")


@dataclass(frozen=True, slots=True)
class ForkAdapter:
    """The adapter of a library that starts branches of execution by one operation."""

    library: str
    operation: str
    packages: frozenset[str]
    kind: Kind = Kind.SPAWN
    below: frozenset[str] = frozenset()

    def describe(self, request: object) -> Call:
        """Describe the start of a branch."""
        method = self.operation.rpartition(".")[2]
        return Call(kind=self.kind, library=self.library, operation=self.operation, method=method)

    def request_carrier(self, request: object) -> None:
        """Carry nothing: the branch is handed over as it is."""

    def response_carrier(self, response: object) -> None:
        """Carry nothing: the branch is joined."""

    def facts(self, response: object) -> Facts:
        """Say nothing of a result, which may be any object."""
        return PlainFacts()

    def answer(self, error: BaseException) -> None:
        """Say nothing: what work raises is no answer."""

    def enact(self, fault: Fault, request: object, response: object = None) -> None:
        """Refuse: starting a branch does not fail in these ways."""
        raise CannotEnact(f"{self.library} knows no fault {fault}")


def handed(fork: Fork, work: object) -> Callable[..., Any] | None:
    """Return what does a fork's work where that is a context's `run`; None for any other work.

    Such a context is a copy of the one that forks, handed over by hand. What runs in it would be in
    the branch that forked, beside whatever else is: so the fork's branch is entered within.
    """
    context = getattr(work, "__self__", None)
    if not isinstance(context, Context) or getattr(work, "__name__", "") != "run":
        return None
    if branch_in(context) is not fork.parent:
        return None

    def run(step: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        return context.run(fork.run, partial(step, *args, **kwargs))

    return run


def bridged(work: object, *args: object) -> bool:
    """Say whether asgiref runs something in another thread or loop: a step of whoever waits for it.

    It takes the context there, and back, by itself. Such work is known by its name: a coroutine, a
    method, or a loop that is given a coroutine.
    """
    if args and isinstance(args[0], CoroutineType):
        work = args[0]
    while isinstance(work, partial):
        work = work.func
    name = getattr(work, "__qualname__", "")
    return isinstance(name, str) and name.startswith(_BRIDGES)


def keep_ended(group: Any, fork: Fork | None) -> None:
    """Keep what a branch brings for whoever waits for all of a group that it leaves.

    Only so many are kept, the last ones: perhaps nobody ever waits.
    """
    if fork is not None:
        vars(group).setdefault(_ENDED, deque(maxlen=_KEPT)).append(fork)


def join_ended(group: Any) -> None:
    """Join what ended in a group for whoever has waited for it: those that the caller forked."""
    ended: deque[Fork] = vars(group).get(_ENDED, deque())
    here = branch()
    for _ in range(len(ended)):
        fork = ended.popleft()
        if fork.parent is here:
            fork.join()
        else:
            ended.append(fork)
