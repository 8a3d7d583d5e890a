"""concurrent.futures: a submitted call is a branch, forked at the submit, joined at the result.

Hooked at the submit, so that a warm pool's worker carries what the submitter knows, not what the
worker's first job did. Callbacks of a future go on in the branch of its call.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

from baggage.boundary import Boundary
from baggage.context import suppressed
from baggage.instrumentation._forking import ForkAdapter
from baggage.instrumentation._futures import follow
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
    follow(_FORK, switch)


_ADAPTER: Final = ForkAdapter(
    "concurrent.futures",
    "ThreadPoolExecutor.submit",
    frozenset({"concurrent"}),
    below=frozenset({"grpc", "grpc.aio"}),  # whose servers put what arrives in a pool
)
