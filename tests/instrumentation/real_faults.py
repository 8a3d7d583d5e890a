"""Addresses where calls really fail: what an enacted fault is compared with."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from baggage.testing import Origin, Reply
from baggage.testing.origin import Answer, Silence


@contextmanager
def refusing() -> Iterator[str]:
    """Yield an address whose port nobody listens on."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}/path?q=1"


@contextmanager
def full() -> Iterator[str]:
    """Yield an address where connections wait for ever: nobody accepts, and the queue is full."""
    with socket.socket() as held, socket.socket() as first, socket.socket() as second:
        held.bind(("127.0.0.1", 0))
        held.listen(0)
        for waiting in (first, second):
            waiting.setblocking(False)
            waiting.connect_ex(held.getsockname())
        yield f"http://127.0.0.1:{held.getsockname()[1]}/path?q=1"


@contextmanager
def answering(answer: Answer | Reply | Silence) -> Iterator[str]:
    with Origin(answer if callable(answer) else lambda _: answer).serving() as origin:
        yield origin.url + "path?q=1"
