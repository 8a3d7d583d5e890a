"""Connections of aiohttp's client that lead nowhere, and what comes of them.

A request is sent over a protocol of aiohttp whose transport drops it, and what a socket would say
is fed to that. So classes, arguments, causes and the attributes of answers are the library's own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest, ClientResponse
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader

from baggage.boundary import CannotEnact
from baggage.instrumentation._aiohttp.headers import WHOLE

Happening = Callable[[ResponseHandler], object]
"""What happens to a connection once the request was sent."""


def answered(request: ClientRequest, happen: Happening) -> ClientResponse:
    """Send a request to nowhere, and let this happen then."""
    session = request.session
    connector = session.connector
    if connector is None:
        raise CannotEnact("the session has no connector any more")
    protocol = ResponseHandler(loop=request.loop)
    protocol.connection_made(_Nowhere())
    # It must never be pooled.
    protocol.force_close()
    protocol.set_response_params(
        timer=request._timer,
        skip_payload=request.method == "HEAD",
        read_until_eof=True,
        read_bufsize=1 << 30,
    )
    connection = Connection(connector, request.connection_key, protocol, request.loop)
    traces, request._traces = request._traces, []
    try:
        response = _at_once(_send(request, connection), lambda: happen(protocol))
    finally:
        request._traces = traces
    response._traces = traces
    return response


async def _send(request: ClientRequest, connection: Connection) -> ClientResponse:
    """Do as a session does with a connection."""
    try:
        response = await request.send(connection)
        try:
            await response.start(connection)
        except BaseException:
            response.close()
            raise
    except BaseException:
        connection.close()
        raise
    return response


def _at_once(
    step: Coroutine[Any, Any, ClientResponse], happen: Callable[[], object]
) -> ClientResponse:
    """Run a coroutine up to where it waits for an answer, let that happen, and run the rest."""
    try:
        awaited = step.send(None)
        happen()
        if not (asyncio.isfuture(awaited) and not awaited.done()):
            step.send(None)
    except StopIteration as end:
        response: ClientResponse = end.value
        return response
    step.close()
    raise CannotEnact("a request or response of this class waits for more than an answer")


def with_body(response: ClientResponse, body: bytes) -> ClientResponse:
    """Put a body in the place of the one that came, which is given up."""
    response.close()
    refill(response, body)
    response._body = None
    response._released = False
    return response


def refill(response: ClientResponse, body: bytes) -> None:
    """Let a body be read of a response, by whoever reads its stream."""
    content = StreamReader(
        ResponseHandler(loop=response._loop), limit=max(len(body), WHOLE), loop=response._loop
    )
    content.feed_data(body)
    content.feed_eof()
    response.content = content


class _Nowhere(asyncio.Transport):
    """A transport that takes anything, until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self._closing = False

    def write(self, data: Any) -> None:
        """Drop it."""

    def writelines(self, list_of_data: Any) -> None:
        """Drop them."""

    def get_write_buffer_size(self) -> int:
        """Hold nothing back."""
        return 0

    def pause_reading(self) -> None:
        """There is nothing to read."""

    def resume_reading(self) -> None:
        """There is nothing to read."""

    def is_closing(self) -> bool:
        """Say whether it was closed."""
        return self._closing

    def close(self) -> None:
        """Close it."""
        self._closing = True

    def abort(self) -> None:
        """Close it."""
        self._closing = True
