"""Serving WSGI where nobody hears of it: no meta-application asks, and no baggage goes back.

All that is left then is the scope, so that a request leaks nothing to the worker's next one; the
application's answer passes untouched. The other requests are in `_wsgi_server`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from baggage.boundary import Arrival
from baggage.context import Branch, branch, enter, leave
from baggage.instrumentation._wsgi import Application, Environ, StartResponse

T = TypeVar("T")


class Steps:
    """What runs for one request, one step after the other, in the caller's own context.

    In a copy of that, steps that frameworks take in turn with their callers, such as those of a
    test client, would not find what they left. Each step goes on in the branch that the last one
    left off in, and the caller's own is restored behind it.
    """

    __slots__ = ("_branch",)

    def __init__(self, scope: Branch) -> None:
        """Begin in the request's scope."""
        self._branch: Branch | None = scope

    def run(self, step: Callable[..., T], *args: Any) -> T:
        """Take a step."""
        token = enter(self._branch)
        try:
            return step(*args)
        finally:
            self._branch = branch()
            leave(token)


def serve_unheard(
    arrival: Arrival,
    application: Application,
    environ: Environ,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """Run one request in the scope of an arrival, which need not take any step."""
    steps = Steps(arrival.branch)
    try:
        body = steps.run(application, environ, start_response)
    except BaseException:
        steps.run(arrival.close)
        raise
    if type(body) in (list, tuple):  # Nothing of the application runs after this.
        steps.run(arrival.close)
        return body
    # What was gathered for others so far is handed over before the response leaves.
    steps.run(arrival.respond, None)
    return Rest(steps, body, arrival.close)


class Rest:
    """A body that nobody hears of: each step runs in the request's scope, which ends with it."""

    __slots__ = ("_body", "_chunks", "_leave", "_steps")

    def __init__(self, steps: Steps, body: Iterable[bytes], leave: Callable[[], None]) -> None:
        """Take the application's body, and what ends the scope."""
        self._steps, self._body, self._leave = steps, body, leave
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Take a step of the body."""
        return self._steps.run(self._next)

    def close(self) -> None:
        """Close the application's body, then the scope."""
        self._steps.run(self._close)

    def _next(self) -> bytes:
        if self._chunks is None:
            self._chunks = iter(self._body)
        try:
            return next(self._chunks)
        except StopIteration:
            # Before the server marks the end: who has read all of it may rely on what was told.
            self._leave()
            raise

    def _close(self) -> None:
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                close()
        finally:
            self._leave()
