"""The bodies that come to aiohttp's client, as far as they may be looked at.

The application reads a body after the call, when and as it likes. What is known of a body at the
end of the call is told of short ones alone, whose length is stated: these are waited for, not read.
One that is to be edited is read before.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Final

from aiohttp.client_exceptions import ClientError
from aiohttp.client_reqrep import ClientResponse

from baggage.instrumentation._aiohttp.headers import WHOLE
from baggage.instrumentation._aiohttp.nowhere import refill

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_SWITCHING: Final = 101
_LARGEST: Final = 1 << 24
# A server may state a length, and yet wait for the application before it sends the body.
_PATIENCE: Final = 1.0


def is_redirect(response: ClientResponse) -> bool:
    """Say whether a response sends the caller elsewhere: nobody reads its body."""
    return response.status in _REDIRECTS and "location" in response.headers


def at_hand(response: ClientResponse) -> bytes | None:
    """Return a body that came whole, or was read; None for one that streams."""
    body: bytes | None = getattr(response, "_body", None)
    if body is not None:
        return body
    content = response.content
    if not _is_short(response) or not content.is_eof() or content.exception() is not None:
        return None
    # Parts that the application has read are gone.
    kept = b"".join(getattr(content, "_buffer", None) or ())
    return kept if len(kept) == content.total_bytes else None


async def arrive(response: ClientResponse) -> None:
    """Wait for a short body to come; nothing of it is read.

    What goes wrong meanwhile happens to whoever reads the body, as it would without us.
    """
    content = response.content
    if content.is_eof() or not _is_short(response) or is_redirect(response):
        return
    try:
        # Which turns a time-out of the whole call from a cancellation into an exception.
        with getattr(response, "_timer", None) or nullcontext():
            async with asyncio.timeout(_PATIENCE):
                await content.wait_eof()
    except Exception as error:  # noqa: BLE001 - the stream keeps it
        error.__traceback__ = None
    except BaseException:
        response.close()
        raise


async def read(response: ClientResponse) -> None:
    """Read a body of a stated length, which is to be edited; whoever reads it finds all of it."""
    length = response.content_length
    if length is None or length > _LARGEST or response.status == _SWITCHING:
        return
    try:
        body = await response.read()
    except ClientError as error:  # which whoever reads the body is told
        error.__traceback__ = None
    except BaseException:
        response.close()
        raise
    else:
        refill(response, body)


def _is_short(response: ClientResponse) -> bool:
    """Say whether a body will be in memory before anyone reads it."""
    content = response.content
    if response.status == _SWITCHING:
        return False
    if content.is_eof() and content.total_bytes == 0:
        return True
    if "content-encoding" in response.headers:
        return False
    length = response.content_length
    return length is not None and length <= min(WHOLE, content.get_read_buffer_limits()[0])
