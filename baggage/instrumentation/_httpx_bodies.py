"""Bodies of httpx's answers that were taken off the wire before the client asks for them.

A client that reads whole bodies does so after its transport has answered. What it is about to read
is fetched here, so that it is known when the call's outcome is told; the client finds the same
chunks, and at their end the same error, as it would have on the wire.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from baggage.boundary import Raised
from baggage.boundary.crossing import deliver


class Body:
    """A stream of chunks at hand, which ends as the wire did; closing it closes the wire's.

    Both kinds of clients read it. Each library's own streams are its base as well, by `kind_of`.
    """

    chunks: list[bytes]
    error: Exception | None = None
    content: bytes | None = None

    def __init__(self, source: Any, chunks: list[bytes]) -> None:
        """Stand in for `source`, the stream that these chunks are taken from, or instead of."""
        self._source, self.chunks = source, chunks

    def __iter__(self) -> Iterator[bytes]:
        """Read it all again, once: the client keeps what it reads."""
        yield from self.chunks
        if self.error is not None:
            deliver(Raised(self.error))
        self.chunks, self.content = [], None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Read it all again."""
        for chunk in self:
            yield chunk

    def close(self) -> None:
        """Close the source, which gives back its connection."""
        self._source.close()

    async def aclose(self) -> None:
        """Close the source, which gives back its connection."""
        await self._source.aclose()


def kind_of(api: Any) -> type[Body]:
    """Return the class of bodies for one library, whose clients insist on their own streams."""
    return type("Body", (Body, api.SyncByteStream, api.AsyncByteStream), {})


def take(api: Any, kind: type[Body], request: Any, response: Any) -> None:
    """Take the body of an answer off the wire; a broken one raises what the client shall see."""
    if response.is_stream_consumed or response.is_closed:
        return
    body = kind(response.stream, [])
    try:
        body.chunks.extend(response.stream)
    except Exception as error:  # noqa: BLE001 - the wire's, for the client to see
        body.error = error
    except BaseException:
        response.close()
        raise
    _taken(api, body, request, response)


async def atake(api: Any, kind: type[Body], request: Any, response: Any) -> None:
    """Do as `take`, for a client of an event loop."""
    if response.is_stream_consumed or response.is_closed:
        return
    body = kind(response.stream, [])
    try:
        async for chunk in response.stream:
            body.chunks.append(chunk)
    except Exception as error:  # noqa: BLE001 - the wire's, for the client to see
        body.error = error
    except BaseException:
        await response.aclose()
        raise
    _taken(api, body, request, response)


def content_of(response: Any) -> bytes | None:
    """Return what the application reads of an answer, None where that isn't known yet."""
    if isinstance(response.stream, Body):
        return response.stream.content
    if not response.is_stream_consumed:
        return None
    try:
        content: bytes = response.content
    except Exception:  # noqa: BLE001 - consumed by someone who didn't keep it
        return None
    return content


def _taken(api: Any, body: Body, request: Any, response: Any) -> None:
    response.stream = body
    if body.error is None and "content-encoding" in response.headers:
        copied = api.Response(
            response.status_code,
            headers=response.headers,
            stream=api.ByteStream(b"".join(body.chunks)),
            request=request,
        )
        try:
            body.content = copied.read()
        except Exception as error:  # noqa: BLE001 - the decoder's, for the client to see
            body.chunks, body.error = [], error
    if body.error is not None:
        deliver(Raised(body.error))
    if body.content is None:
        body.content = b"".join(body.chunks)
