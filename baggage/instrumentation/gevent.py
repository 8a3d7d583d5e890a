"""gevent: a greenlet is a branch, forked where it is started, joined by whoever waits for it.

A greenlet starts with an empty context. Its class is compiled and can't be wrapped: greenlets are
met by gevent's own callback for starts, and whoever waits is met by what each one is asked: `get`,
`join`, or `rawlink`, by which `joinall`, `wait` and `iwait` wait. What ended in a group before
somebody joined that group is kept for him, as far as memory allows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import Any, Final

import gevent.threadpool
from gevent import Greenlet, getcurrent
from gevent.event import AsyncResult
from gevent.hub import Hub
from gevent.pool import Group, IMapUnordered
from gevent.threadpool import ThreadPool

from baggage.boundary import Boundary, Fork
from baggage.context import Branch, attached, branch, ensure, suppressed
from baggage.instrumentation._forking import ForkAdapter, join_ended, keep_ended
from baggage.instrumentation._patching import Switch, wrap

_FORK: Final = "_baggage_fork"
# Whose functions gevent has its threads look addresses up by, for whoever connects.
_LOOKING_UP: Final = "_socket"
Arguments = tuple[Any, ...]
Named = dict[str, Any]


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Follow greenlets, and wrap groups and pools, once."""

    def started(greenlet: Greenlet) -> None:
        if not switch.on:
            return
        running = branch()
        if running is not None and isinstance(greenlet, IMapUnordered):
            _run_in(greenlet, running)
            return
        fork = boundary.fork(_GREENLET, None)
        if fork is not None:
            fork.start(lambda: _follow(greenlet, fork))

    def spawn(wrapped: Callable[..., Any], _: ThreadPool, args: Arguments, kwargs: Named) -> Any:
        if args and getattr(args[0], "__module__", "") == _LOOKING_UP:
            with suppressed():
                return wrapped(*args, **kwargs)
        fork = boundary.fork(_THREADS, None) if args else None
        if fork is None:
            return wrapped(*args, **kwargs)
        work, *rest = args

        def run(*args: Any, **kwargs: Any) -> Any:
            return fork.run(lambda: work(*args, **kwargs))

        result = fork.start(lambda: wrapped(run, *rest, **kwargs))
        vars(result)[_FORK] = fork
        return result

    Greenlet.add_spawn_callback(started)
    wrap(Group, "_discard", switch, _discard)
    wrap(Group, "join", switch, _join_group)
    wrap(ThreadPool, "spawn", switch, spawn)
    gevent.threadpool.AsyncResult = Result


class Result(AsyncResult):  # type: ignore[misc]
    """What a pool of threads returns: who gets the result joins the branch of its call."""

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Return the result, or raise what the call raised."""
        try:
            return super().get(*args, **kwargs)
        finally:
            _join(self)

    def rawlink(self, callback: Callable[[Any], object]) -> Any:
        """Call back when the result is there: an `imap` that waits for it joins the branch."""
        waits = getattr(callback, "__name__", "") == _ITERATOR
        return super().rawlink(_Waking(callback) if waits else callback)

    def wait(self, *args: Any, **kwargs: Any) -> Any:
        """Wait for the result."""
        try:
            return super().wait(*args, **kwargs)
        finally:
            _join(self)


class _Waiting:
    """A method of one greenlet, after which its branch is joined if it has ended.

    The greenlet keeps it, and is kept by it as by any method, until it's joined.
    """

    __slots__ = ("_greenlet", "_name")

    def __init__(self, greenlet: Greenlet, name: str) -> None:
        self._greenlet = greenlet
        self._name = name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        greenlet = self._greenlet
        try:
            return getattr(type(greenlet), self._name)(greenlet, *args, **kwargs)
        finally:
            # The hub waits for nobody: what it carried, all that it starts would carry.
            if not isinstance(getcurrent(), Hub):
                _join(greenlet)


class _Linking(_Waiting):
    """`rawlink` of one greenlet: a link that wakes somebody up is somebody who waits."""

    __slots__ = ()

    def __call__(self, callback: Callable[[Any], object]) -> Any:
        if getattr(callback, "__name__", "") in _WAKING:
            callback = _Waking(callback)
        return getattr(type(self._greenlet), self._name)(self._greenlet, callback)


class _Waking:
    """What wakes up whoever waits, who then knows what the greenlet knew."""

    __slots__ = ("_branch", "_callback")

    def __init__(self, callback: Callable[[Any], object]) -> None:
        self._callback = callback
        self._branch = ensure()

    def __call__(self, greenlet: Greenlet) -> None:
        """Join the branch for whoever waits, and wake him up. The hub calls this."""
        with attached(self._branch):
            _join(greenlet)
        self._callback(greenlet)

    def __eq__(self, other: object) -> bool:
        """Be equal to the callback itself, by which it is unlinked."""
        return other is self or other == self._callback

    def __hash__(self) -> int:
        return hash(self._callback)


def _run_in(greenlet: IMapUnordered, running: Branch) -> None:
    """Have what spawns for an `imap` do so as a part of its caller, whose branches these are.

    Its iterator can't be followed: what it yields is joined as soon as it's there.
    """
    run = greenlet._run

    def run_in_branch(*args: Any, **kwargs: Any) -> Any:
        with attached(running):
            return run(*args, **kwargs)

    greenlet._run = update_wrapper(run_in_branch, run, updated=())


def _follow(greenlet: Greenlet, fork: Fork) -> None:
    """Have a greenlet run in the fork's branch, and join it where it is waited for."""
    run = greenlet._run

    def run_in_branch(*args: Any, **kwargs: Any) -> Any:
        return fork.run(lambda: run(*args, **kwargs))

    greenlet._run = update_wrapper(run_in_branch, run, updated=())
    own = vars(greenlet)
    own[_FORK] = fork
    own.update((name, wait(greenlet, name)) for name, wait in _FOLLOWED.items())


def _join(waited: Any) -> None:
    fork: Fork | None = vars(waited).get(_FORK)
    if fork is None or not waited.ready():
        return
    here = branch()
    fork.join()
    if fork.parent is here:
        for name in _FOLLOWED:
            vars(waited).pop(name, None)


def _discard(wrapped: Callable[..., None], group: Group, args: Arguments, kwargs: Named) -> None:
    """Keep what a greenlet brings, for whoever joins the group that it leaves."""
    keep_ended(group, getattr(args[0], _FORK, None) if args else None)
    wrapped(*args, **kwargs)


def _join_group(wrapped: Callable[..., Any], group: Group, args: Arguments, kwargs: Named) -> Any:
    try:
        return wrapped(*args, **kwargs)
    finally:
        join_ended(group)


# The names of links that tell of somebody who waits: a greenlet, and the iterator of an `imap`.
_ITERATOR: Final = "_on_result"
_WAKING: Final = frozenset({"switch", _ITERATOR})
_FOLLOWED: Final = {"get": _Waiting, "join": _Waiting, "rawlink": _Linking}
_GREENLET: Final = ForkAdapter(
    "gevent",
    "Greenlet.start",
    frozenset({"gevent", "greenlet"}),
    below=frozenset({"threading", "concurrent.futures", "gevent"}),
)
_THREADS: Final = ForkAdapter("gevent", "ThreadPool.spawn", frozenset({"gevent", "greenlet"}))
