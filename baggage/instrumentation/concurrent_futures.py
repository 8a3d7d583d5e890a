"""concurrent.futures: a submitted call is a branch, forked at the submit, joined at the result.

Hooked at the submit, so that a warm pool's worker carries what the submitter knows, not what the
worker's first job did. Callbacks of a future go on in the branch of its call.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, _base
from functools import partial
from typing import Any, Final

from baggage.boundary import Blank, Boundary, Fork, Share
from baggage.context import branch, suppressed
from baggage.instrumentation._forking import ForkAdapter, bridged, handed
from baggage.instrumentation._futures import follow
from baggage.instrumentation._patching import Function, Switch, replace, wrap

_FORK: Final = "_baggage_fork"
_FORKING: Final = ("concurrent.futures", "threading")
# What event loops look up in threads, for their own ends.
_ADDRESSES: Final = socket.getaddrinfo
_NAMES: Final = socket.getnameinfo


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap thread pools and futures, once."""

    def submitting(original: Function) -> Function:
        def submit(
            self: ThreadPoolExecutor, fn: Function, /, *args: Any, **kwargs: Any
        ) -> Future[Any]:
            if not switch.on:
                return original(self, fn, *args, **kwargs)  # type: ignore[no-any-return]
            if boundary.blank(_FORKING):
                blank = Blank(boundary, fn)
                future: Future[Any]
                if args or kwargs:
                    future = original(self, blank, *args, **kwargs)
                else:
                    future = original(self, blank)
                setattr(future, _FORK, blank)
                return future
            if fn is _ADDRESSES or fn is _NAMES or bridged(fn, *args):
                return _submit_unseen(original, self, fn, args, kwargs)
            parent = boundary.sharing(_ADAPTER, _FORKING)
            if parent is not None:
                return _share(Share(boundary, fn, parent), self, original, args, kwargs)
            fork = boundary.fork(_ADAPTER, None)
            if fork is None:
                return original(self, fn, *args, **kwargs)  # type: ignore[no-any-return]

            run = handed(fork, fn) or partial(_run, fork, fn)
            future = fork.start(lambda: _submit_unseen(original, self, run, args, kwargs))
            setattr(future, _FORK, fork)
            return future

        return submit

    replace(ThreadPoolExecutor, "submit", submitting)
    wrap(_base, "as_completed", switch, _as_completed)
    replace(Future, "cancel", lambda original: _cancelling(boundary, original))
    follow(_FORK, switch)


def _as_completed(wrapped: Function, _: object, args: Any, kwargs: Any) -> Iterator[Future[Any]]:
    return _followed(wrapped(*args, **kwargs))


def _followed(completed: Iterator[Future[Any]]) -> Iterator[Future[Any]]:
    """Say, of each future that is dealt with as it is done, which branch that is about."""
    running = branch()
    try:
        for future in completed:
            fork = getattr(future, _FORK, None)
            if running is not None and isinstance(fork, Fork):
                running.following = fork.child
            yield future
    finally:
        if running is not None:
            running.following = None


def _run(fork: Fork, fn: Function, /, *args: Any, **kwargs: Any) -> Any:
    return fork.run(lambda: fn(*args, **kwargs))


def _cancelling(boundary: Boundary, original: Function) -> Function:
    def cancel(self: Future[Any]) -> bool:
        cancelled: bool = original(self)
        fork: Fork | Blank | None = getattr(self, _FORK, None)
        if cancelled and fork is not None:
            with boundary.isolated():
                fork.undo()
        return cancelled

    return cancel


def _submit_unseen(
    submit: Function, pool: ThreadPoolExecutor, fn: Function, args: Any, kwargs: Any
) -> Future[Any]:
    """Submit, and let a worker that this starts be the pool's, not a branch of the submitter."""
    with suppressed():
        return submit(pool, fn, *args, **kwargs)  # type: ignore[no-any-return]


def _share(
    share: Share, pool: ThreadPoolExecutor, submit: Function, args: Any, kwargs: Any
) -> Future[Any]:
    try:
        future: Future[Any] = submit(pool, share, *args, **kwargs)
    except BaseException:
        share.undo()
        raise
    setattr(future, _FORK, share)
    return future


_ADAPTER: Final = ForkAdapter(
    "concurrent.futures",
    "ThreadPoolExecutor.submit",
    frozenset({"concurrent"}),
    below=frozenset({"grpc", "grpc.aio"}),  # whose servers put what arrives in a pool
)
