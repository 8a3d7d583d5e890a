"""concurrent.futures: a submitted call is a branch, forked at the submit, joined at the result.

Hooked at the submit, so that a warm pool's worker carries what the submitter knows, not what the
worker's first job did. Callbacks of a future go on in the branch of its call.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from baggage.boundary import Boundary, Fork
from baggage.context import suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._patching import Switch, wrap

_FORK: Final = "_baggage_fork"


def instrument(boundary: Boundary, switch: Switch) -> None:
    """Wrap thread pools and futures, once."""

    def submit(
        wrapped: Callable[..., Future[Any]],
        _: ThreadPoolExecutor,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
    ) -> Future[Any]:
        fork = boundary.fork(_ADAPTER, None)
        if fork is None or not args:
            return wrapped(*args, **kwargs)
        work, *rest = args

        def run(*args: Any, **kwargs: Any) -> Any:
            return fork.run(lambda: work(*args, **kwargs))

        def launch() -> Future[Any]:
            # A worker that this submit starts is the pool's, not a branch of the submitter.
            with suppressed():
                return wrapped(run, *rest, **kwargs)

        future = fork.start(launch)
        vars(future)[_FORK] = fork
        return future

    wrap(ThreadPoolExecutor, "submit", switch, submit)
    wrap(Future, "result", switch, _read)
    wrap(Future, "exception", switch, _read)
    wrap(Future, "add_done_callback", switch, _follow)


def _read(
    wrapped: Callable[..., Any], future: Future[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Join the branch whose result somebody has waited for."""
    try:
        return wrapped(*args, **kwargs)
    finally:
        fork: Fork | None = vars(future).get(_FORK)
        if fork is not None and future.done():
            fork.join()


def _follow(
    wrapped: Callable[..., None], future: Future[Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """Have a callback go on in the branch of the call, not in what its thread happens to carry."""
    fork: Fork | None = vars(future).get(_FORK)
    if fork is None:
        return wrapped(*args, **kwargs)
    return wrapped(_following(fork, *args, **kwargs))


def _following(fork: Fork, fn: Callable[[Future[Any]], object]) -> Callable[[Future[Any]], object]:
    return lambda future: fork.resume(lambda: fn(future))


_ADAPTER: Final = ForkAdapter(
    "concurrent.futures", "ThreadPoolExecutor.submit", frozenset({"concurrent"})
)
