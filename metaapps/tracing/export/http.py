"""Posting messages to a server over one connection that is kept alive.

Straight to the server: redirects aren't followed, and proxies that the environment names aren't
used. What is posted again, and when, is in `delivery`.
"""

from __future__ import annotations

import codecs
import contextlib
import gzip
import os
import ssl
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import MappingProxyType
from typing import Final
from urllib.parse import SplitResult, urlsplit

from baggage.context import suppressed
from metaapps.tracing.errors import SettingError
from metaapps.tracing.export.encoding import Encoding
from metaapps.tracing.export.sink import Refused, Unavailable

_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_CONNECTIONS: Final = {"http": HTTPConnection, "https": HTTPSConnection}
_LOOPBACK: Final = ("localhost", "127.", "::1")

TIMEOUT: Final = 10.0
# Below it the message fits few packets anyway.
COMPRESS_ABOVE: Final = 8_192
_ANSWER: Final = 65_536
_REASON: Final = 200

_AGAIN: Final = frozenset({408, 429})
_BAD: Final = frozenset({400, 413})


class HttpSink:
    """Posts messages to one URL; for one thread. A connection that the server closed is reopened.

    It is not traced, carries no baggage, and has a header `b3: 0`, which asks others not to trace
    it either.
    """

    def __init__(
        self,
        url: str,
        encoding: Encoding,
        *,
        headers: Mapping[str, str] = _NO_HEADERS,
        timeout: float = TIMEOUT,
        compress_above: int | None = COMPRESS_ABOVE,
    ) -> None:
        """Prepare; nothing is opened yet. Raises SettingError.

        `url` is http or https; without a path it gets the encoding's. `headers` are sent along,
        such as one that authorizes. `timeout` is in seconds, for each wait. Messages of more bytes
        than `compress_above` are compressed, unless the server is on this machine; None: never.
        """
        split = _split(url)
        self._scheme: Final = split.scheme
        self._host: Final = split.hostname or ""
        self._port: Final = split.port
        query = f"?{split.query}" if split.query else ""
        self._target: Final = (encoding.path if split.path in ("", "/") else split.path) + query
        self._headers: Final = {**headers, "Content-Type": encoding.content_type, "b3": "0"}
        self._timeout: Final = timeout
        near = self._host.startswith(_LOOPBACK)
        self._compress_above: Final = None if near else compress_above
        self._connection: HTTPConnection | None = None
        # Imports what looks up hosts: a process that forks while a thread imports something has a
        # child that waits for ever when it imports that, too.
        codecs.lookup("idna")

    def send(self, message: bytes) -> None:
        """Post a message. Raises Refused, or Unavailable."""
        headers = self._headers
        if self._compress_above is not None and len(message) > self._compress_above:
            headers = headers | {"Content-Encoding": "gzip"}
            message = gzip.compress(message, compresslevel=1, mtime=0)
        with suppressed():
            connection = self._open()
            try:
                response, answer = _posted(connection, self._target, message, headers)
            except BaseException as error:
                self._drop(connection)
                if isinstance(error, OSError | HTTPException):
                    raise Unavailable(f"{self._where()}: {_said(error)}") from error
                raise
        _judge(response, answer, self._where())

    def close(self) -> None:
        """Close the connection; the next message opens another."""
        if self._connection is not None:
            self._drop(self._connection)

    def forked(self) -> None:
        """Let go of the parent's connection, in a forked child."""
        connection, self._connection = self._connection, None
        if connection is not None and connection.sock is not None:
            # Not by `close`, which would wait for a lock that a reading thread of the parent has.
            with contextlib.suppress(OSError):
                os.close(connection.sock.detach())

    def _open(self) -> HTTPConnection:
        if self._connection is not None and not _alive(self._connection):
            self._drop(self._connection)
        if self._connection is None:
            make = _CONNECTIONS[self._scheme]
            self._connection = make(self._host, self._port, timeout=self._timeout)
        return self._connection

    def _drop(self, connection: HTTPConnection) -> None:
        if self._connection is connection:
            self._connection = None
        connection.close()

    def _where(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        port = "" if self._port is None else f":{self._port}"
        return f"{self._scheme}://{host}{port}{self._target.partition('?')[0]}"


def _split(url: str) -> SplitResult:
    """Take a URL apart. Raises SettingError, which doesn't repeat credentials."""
    try:
        split = urlsplit(url)
        port = split.port
    except ValueError as error:
        raise SettingError(f"{url!r} is no URL: {error}") from error
    if "@" in split.netloc:
        raise SettingError("the URL has credentials in it; put them into a header")
    plain = url.isascii() and url.isprintable() and " " not in url
    if split.scheme not in _CONNECTIONS or not split.hostname or port == 0 or not plain:
        raise SettingError(f"{url!r} is no URL of a server; set it to one like http://zipkin:9411")
    return split


def _posted(
    connection: HTTPConnection, target: str, message: bytes, headers: dict[str, str]
) -> tuple[HTTPResponse, bytes]:
    """Post a message; return the response, and so much of its body as anyone wants to see."""
    try:
        connection.request("POST", target, message, headers)
    except BrokenPipeError:
        pass  # The server may have said why before it hung up.
    with connection.getresponse() as response:
        answer = response.read(_ANSWER)
        if not response.isclosed():
            connection.close()
    return response, answer


def _alive(connection: HTTPConnection) -> bool:
    """Say whether the server has neither closed an idle connection nor spoken out of turn."""
    sock = connection.sock
    if sock is None:
        return True  # It is opened by the next request.
    try:
        sock.settimeout(0.0)
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError):
        sock.settimeout(connection.timeout)
        return True
    except OSError:
        return False
    return False


def _judge(response: HTTPResponse, answer: bytes, where: str) -> None:
    """Raise Refused or Unavailable unless a message was taken."""
    status = response.status
    if 200 <= status < 300:
        return
    said = _line(answer) or _line(response.reason.encode("latin-1", "replace"))
    reason = f"{where} says {status} {said}".rstrip()
    if status >= 500 or status in _AGAIN:
        raise Unavailable(reason, after=_seconds(response.headers.get("Retry-After")))
    if 300 <= status < 400:
        reason = f"{where} redirects ({status}), which is not followed"
    raise Refused(reason, divisible=status in _BAD)


def _line(text: bytes) -> str:
    """Return the first line of what a server says, as far as it can be shown."""
    for line in text.decode("utf-8", "replace").splitlines():
        shown = "".join(character for character in line if character.isprintable()).strip()
        if shown:
            return shown[:_REASON]
    return ""


def _seconds(retry_after: str | None) -> float | None:
    """Return what a Retry-After header asks for: seconds, or the time until a date."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _said(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:_REASON]
