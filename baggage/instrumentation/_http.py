"""What instrumentations of HTTP describe alike."""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import SplitResult

from baggage.boundary import Endpoint

PORTS: Final = {"http": 80, "https": 443}
DIGEST_SIZE: Final = 8
"""Bytes of a digest of what somebody reads."""


def digest(content: bytes) -> bytes:
    """Return a digest of what somebody reads."""
    return blake2b(content, digest_size=DIGEST_SIZE).digest()


@lru_cache(maxsize=1024)
def endpoint_of(scheme: str, netloc: str) -> Endpoint:
    """Return where a URL leads; raises ValueError for a port that there can't be."""
    url = SplitResult(scheme, netloc, "", "", "")
    return Endpoint(url.hostname or "", url.port or PORTS.get(scheme, 0))


def payload(target: str, body: object) -> bytes | None:
    """Return a digest of what the callee will read, None for a body that streams."""
    if isinstance(body, str):
        body = body.encode()
    if body is not None and not isinstance(body, bytes):
        return None
    return digest(target.encode() + b"\0" + (body or b""))


class ResponseHeaders:
    """The headers of a response that a client got, which nobody sends on."""

    __slots__ = ("_headers",)

    def __init__(self, headers: MutableMapping[str, str]) -> None:
        """Take the library's own mapping, which minds no case."""
        self._headers = headers

    def get(self, name: str) -> str | None:
        """Return a header."""
        return self._headers.get(name)

    def set(self, name: str, value: str) -> None:
        """Replace a header."""
        self._headers[name] = value


class ResponseFacts:
    """What a response of a library says; its body is left alone, unless `whole` returns it."""

    __slots__ = ("_response",)

    _response: Any

    def __init__(self, response: Any) -> None:
        """Take a response that has a `status`, or override that property."""
        self._response = response

    @property
    def status(self) -> int:
        """The status code."""
        status: int = self._response.status
        return status

    @property
    def ok(self) -> bool:
        """Whether the status is of no error."""
        return self.status < 400

    def whole(self) -> bytes | None:
        """Return the body, if the library has read all of it; None for one that streams."""
        return None

    def digest(self) -> bytes | None:
        """Return a digest of the body."""
        body = self.whole()
        return None if body is None else digest(body)

    def size(self) -> int | None:
        """Return how many bytes the body has."""
        body = self.whole()
        return None if body is None else len(body)
