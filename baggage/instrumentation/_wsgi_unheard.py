"""Serving WSGI where nobody hears of it: no meta-application asks, and no baggage goes back.

All that is left then is the scope, so that a request leaks nothing to the worker's next one; the
application's answer passes untouched. The other requests are in `_wsgi_server`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextvars import Context, copy_context

from baggage.boundary import Arrival
from baggage.context import enter
from baggage.instrumentation._wsgi import Application, Environ, StartResponse


def serve_unheard(
    arrival: Arrival,
    application: Application,
    environ: Environ,
    start_response: StartResponse,
) -> Iterable[bytes]:
    """Run one request in the scope of an arrival, which need not take any step."""
    context = copy_context()
    context.run(enter, arrival.branch)
    try:
        body = context.run(application, environ, start_response)
    except BaseException:
        context.run(arrival.close)
        raise
    if type(body) in (list, tuple):  # Nothing of the application runs after this.
        context.run(arrival.close)
        return body
    # What was gathered for others so far is handed over before the response leaves.
    context.run(arrival.respond, None)
    return Rest(context, body, arrival.close)


class Rest:
    """A body that nobody hears of: each step runs in the request's scope, which ends with it."""

    __slots__ = ("_body", "_chunks", "_context", "_leave")

    def __init__(self, context: Context, body: Iterable[bytes], leave: Callable[[], None]) -> None:
        """Take the application's body, and what ends the scope."""
        self._context, self._body, self._leave = context, body, leave
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        """Take a step of the body."""
        if self._chunks is None:
            self._chunks = self._context.run(iter, self._body)
        try:
            return self._context.run(next, self._chunks)
        except StopIteration:
            # Before the server marks the end: who has read all of it may rely on what was told.
            self._context.run(self._leave)
            raise

    def close(self) -> None:
        """Close the application's body, then the scope."""
        close = getattr(self._body, "close", None)
        try:
            if close is not None:
                self._context.run(close)
        finally:
            self._context.run(self._leave)
