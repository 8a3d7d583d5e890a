"""Serving WSGI: one request as an arrival.

The application's `start_response` is held back until its first bytes, so that what the whole
request brings home still finds a place in the headers. A body of a stated length ends the arrival
before it is sent; a stream keeps the scope open to its end, and is not read ahead.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any, Final, TypeVar

from baggage.boundary import Arrival, Boundary, Outcome, deliver
from baggage.instrumentation._patching import Switch
from baggage.instrumentation._wsgi import (
    Application,
    Environ,
    Response,
    StartResponse,
    WsgiAdapter,
    service_of,
)
from baggage.instrumentation._wsgi_unheard import Rest, Steps, serve_unheard

T = TypeVar("T")
_SERVED: Final = "baggage.served"


def serve(
    boundary: Boundary,
    adapter: WsgiAdapter,
    application: Application,
    environ: Environ,
    start_response: StartResponse,
    service: str = "",
) -> Iterable[bytes]:
    """Run one request of a WSGI application as an arrival at `service`.

    An application that is mounted in another one is a part of it: the outer one arrives.
    """
    arrival = None if _SERVED in environ else boundary.arrive(adapter, environ, service)
    if arrival is None:
        return application(environ, start_response)
    environ[_SERVED] = True
    if arrival.unheard:
        return serve_unheard(arrival, application, environ, start_response)
    exchange = _Exchange(adapter, arrival, start_response)
    return exchange.run(application, environ)


class Served:
    """A WSGI application whose requests arrive at `service`, "" for the process's own."""

    __slots__ = ("_adapter", "_boundary", "application", "service")

    def __init__(
        self, boundary: Boundary, adapter: WsgiAdapter, application: Application, service: str = ""
    ) -> None:
        """Wrap an application."""
        self._boundary, self._adapter = boundary, adapter
        self.application, self.service = application, service

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Run one request."""
        return serve(
            self._boundary, self._adapter, self.application, environ, start_response, self.service
        )


class _Loaded:
    """The application of a server."""

    __slots__ = ("_adapter", "_boundary", "_switch", "application")

    def __init__(
        self, boundary: Boundary, switch: Switch, adapter: WsgiAdapter, application: Application
    ) -> None:
        self._boundary, self._switch, self._adapter = boundary, switch, adapter
        self.application = application

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        application = self.application
        if not self._switch.on:
            return application(environ, start_response)
        service = service_of(application)
        return serve(self._boundary, self._adapter, application, environ, start_response, service)


def loaded(
    boundary: Boundary,
    switch: Switch,
    adapter: WsgiAdapter,
    application: Application,
    within: Application | None = None,
) -> Application:
    """Return what a server shall run: the application itself where its requests arrive without us.

    That are those of Flask, which is left to its own instrumentation. `within` is what a server
    put something of its own around.
    """
    own = within or application
    if isinstance(own, _Loaded | Served):
        return application
    if any(each.__module__ == "flask.app" for each in type(own).__mro__):
        return application
    return _Loaded(boundary, switch, adapter, application)


class _Exchange:
    """One request and its response."""

    def __init__(
        self, adapter: WsgiAdapter, arrival: Arrival, start_response: StartResponse
    ) -> None:
        self._adapter, self._arrival = adapter, arrival
        self._start_response = start_response
        self._response: Response | None = None
        self._write: Callable[[bytes], Any] = _unsent
        self._ended = False
        self._steps = Steps(arrival.branch)

    def within(self, step: Callable[..., T], *args: Any) -> T:
        """Run a step of the application in the request's scope."""
        return self._steps.run(step, *args)

    def run(self, application: Application, environ: Environ) -> Iterable[bytes]:
        """Run the application; return the body to send."""
        try:
            return self.within(self._run, application, environ)
        except BaseException:
            self.within(self._arrival.close)
            raise

    def finish(self) -> None:
        """End the arrival, if the response's end hasn't yet, and close the scope."""
        response = self._response
        if not self._ended and response is not None:
            self._ended = True
            self._arrival.end(self._arrival.answered(response))
        self._arrival.close()

    def fail(self, error: BaseException) -> None:
        """End the arrival with what a stream raised."""
        if not self._ended:
            self._ended = True
            self._arrival.end(self._arrival.raised(error))

    def send_headers(self) -> Callable[[bytes], Any]:
        """Call the server's `start_response`, once, with what goes home; return its `write`."""
        if self._write is _unsent:
            response = self._response
            if response is None:
                raise RuntimeError(
                    "the WSGI application sent a body before it called start_response"
                )
            self._arrival.respond(self._adapter.response_carrier(response))
            self._write = self._start_response(response.status, response.headers)
        return self._write

    def _run(self, application: Application, environ: Environ) -> Iterable[bytes]:
        outcome = self._arrival.begin()
        if outcome is not None:
            return self._whole(self._arrival.end(outcome))
        if self._arrival.delay:
            time.sleep(self._arrival.delay)
        try:
            body = application(environ, self._hold)
            if self._response is None:
                body = _Begun(body)
        except BaseException as error:
            outcome = self._end_with(error)
            if deliverable(outcome) is error:
                raise
            return self._whole(outcome)
        response = self._response
        if response is None or self._write is not _unsent:
            return _Body(self, body)
        response.body = body
        if response.length() is None:
            return _Body(self, body)
        self._ended = True
        outcome = self._arrival.end(self._arrival.answered(response))
        if deliverable(outcome) is not response:
            _close(response.body)
        return self._whole(outcome)

    def _end_with(self, error: BaseException) -> Outcome:
        self._ended = True
        return self._arrival.end(self._arrival.raised(error))

    def _whole(self, outcome: Outcome) -> Iterable[bytes]:
        """Send the headers of a response whose body is known; return the body."""
        self._ended = True
        response: Response = deliver(outcome)
        self._response = response
        self.send_headers()
        body = response.body
        if type(body) in (list, tuple):  # Nothing of the application runs after this.
            self._arrival.close()
            return response.body
        if isinstance(body, Sized):
            return _Sized(self, response.body)
        return Rest(self._steps, body, self._arrival.close)

    def _hold(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], Any]:
        """Stand in for the server's `start_response`."""
        if self._write is not _unsent:
            # Headers are out already: the server decides, as WSGI says.
            return self._start_response(status, headers, exc_info)  # type: ignore[no-any-return]
        self._response = Response(status, list(headers))
        return self._write_through

    def _write_through(self, data: bytes) -> Any:
        """Stand in for the server's `write`, which old applications call instead of returning."""
        return self.send_headers()(data)


def _unsent(data: bytes) -> None:
    """Stand for the server's `write` until the headers are sent. Servers may return none."""


def deliverable(outcome: Outcome) -> object:
    """Return the exception or the response of an outcome."""
    return getattr(outcome, "error", None) or getattr(outcome, "value", None)


def _close(body: Iterable[bytes]) -> None:
    close = getattr(body, "close", None)
    if close is not None:
        close()


class _Begun:
    """The body of an application that calls `start_response` no sooner than it must: a generator.

    A server would ask for the first chunk next, in any case.
    """

    def __init__(self, body: Iterable[bytes]) -> None:
        self._close = getattr(body, "close", None)
        try:
            self._chunks = iter(body)
            self._first = next(self._chunks, None)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        if self._first is not None:
            yield self._first
            yield from self._chunks

    def close(self) -> None:
        if self._close is not None:
            self._close()


class _Body:
    """A response's body: each step runs in the request's scope."""

    def __init__(self, exchange: _Exchange, body: Iterable[bytes]) -> None:
        self._exchange, self._body = exchange, body
        self._chunks: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        return self._exchange.within(self._step)

    def close(self) -> None:
        """Close the application's body, then the scope."""
        self._exchange.within(self._close)

    def _step(self) -> bytes:
        try:
            if self._chunks is None:
                self._chunks = iter(self._body)
            chunk = next(self._chunks, None)
        except BaseException as error:
            self._exchange.fail(error)
            raise
        self._exchange.send_headers()
        if chunk is None:
            # Before the server marks the end: who has read all of it may rely on what was told.
            self._exchange.finish()
            raise StopIteration
        return chunk

    def _close(self) -> None:
        try:
            _close(self._body)
        finally:
            self._exchange.finish()


class _Sized(_Body):
    """A body in so many chunks: servers look whether it is a single one, and state its length."""

    def __len__(self) -> int:
        return len(self._body)  # type: ignore[arg-type]  # It was looked at before.
