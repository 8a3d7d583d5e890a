"""The process's own runtime, and the functions that act on it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar, overload

from baggage.boundary import MetaApp
from baggage.context import Branch
from baggage.runtime import branching, scoping, stepping
from baggage.runtime.branching import Kept
from baggage.runtime.runtime import Runtime
from baggage.values import EMPTY, Baggage

if TYPE_CHECKING:
    from baggage.boundary.audit import Audit

P = ParamSpec("P")
T = TypeVar("T")
Y = TypeVar("Y")
S = TypeVar("S")
R = TypeVar("R")

PROCESS: Final = Runtime()


def instrument(*libraries: str, service: str | None = None) -> None:
    """Instrument libraries, now or as soon as they are imported; all known ones if none is named.

    Registers the installed meta-applications too. `service` names this process. May be called
    again, also after `uninstrument`.
    """
    PROCESS.instrument(*libraries, service=service)


def uninstrument(*libraries: str) -> None:
    """Switch instrumentations off: of these libraries, or all."""
    PROCESS.uninstrument(*libraries)


def register(app: MetaApp) -> None:
    """Register a meta-application of your own; one of the same name is replaced."""
    PROCESS.register(app)


def unregister(name: str) -> None:
    """Remove a meta-application by its name."""
    PROCESS.unregister(name)


def audit(*, on: bool = True) -> Audit:
    """Switch audit mode on: broken propagation is found, named by its place, and logged once each.

    Returns who audits: its `findings` can be read at any time. The same as `BAGGAGE_AUDIT=1`. May
    be called again; with `on=False` it is switched off, and what was found stays with what is
    returned. Services whose answers shall be understood run in audit mode too: then responses name
    them to whoever asks, and say whether baggage came.
    """
    return PROCESS.audit(on=on)


def request_scope(name: str = "", carried: Baggage = EMPTY) -> AbstractContextManager[Branch]:
    """Open a scope, as a request's arrival does: what runs in the block is a request of its own.

    For requests that come in by what is not instrumented, and for work that is nobody's or shall
    outlive who started it: a heartbeat, a job. It starts empty, or with what is `carried`, such as
    `baggage.current()`. `name` says what it is for. The scope is over with the block; a generator
    must not hold it open across a `yield`.

        with baggage.request_scope("nightly report"):
            ...
    """
    return scoping.request_scope(PROCESS.boundary, name, carried)


def split() -> tuple[Branch, Branch]:
    """Fork the current branch of execution: return it, and a new one that knows the same past.

    Run the other one's work within `attached(theirs)`, in any thread; `join(theirs)` afterwards.
    """
    return branching.split(PROCESS.boundary)


def keep(callback: Callable[P, T]) -> Kept[P, T]:
    """Return a callback that runs with what is carried now: later, elsewhere, any number of times.

    For what is stored now and called by somebody who knows nothing of who stored it: handlers,
    hooks, finalizers, timers of other event loops. Takes coroutine functions too, and returns one.
    Safe in any thread. No call sees what another one packs; `join()` of what is returned brings
    home what all calls packed so far, to the caller.

        on_close = baggage.keep(report)
        connection.add_close_listener(on_close)
        ...
        on_close.join()
    """
    return branching.keep(PROCESS.boundary, callback)


@overload
def stepwise(generator: Generator[Y, S, R]) -> Generator[Y, S, R]: ...
@overload
def stepwise(generator: AsyncGenerator[Y, S]) -> AsyncGenerator[Y, S]: ...
@overload
def stepwise(generator: Iterator[Y]) -> Iterator[Y]: ...
@overload
def stepwise(generator: AsyncIterator[Y]) -> AsyncIterator[Y]: ...
@overload
def stepwise(generator: Callable[P, T]) -> Callable[P, T]: ...
def stepwise(generator: Any) -> Any:
    """Return a generator that runs in a branch of its own, forked here.

    Otherwise it runs in that of whoever takes its next step: what it packs or attaches leaks there,
    and it sees what is packed there meanwhile. What it knows comes home when it ends, to whoever
    took the last step or closed it. Takes asynchronous generators too, and functions that make
    generators: use it as a decorator. Raises TypeError for anything else.

        @baggage.stepwise
        def rows():
            with baggage.attached(...):
                yield from read()
    """
    return stepping.stepwise(PROCESS.boundary, generator)
