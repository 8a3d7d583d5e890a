"""Where messages of spans go, seen alike: what the reporter asks of a server or a file.

When a message is sent, and how often it is tried, is in `delivery`.
"""

from __future__ import annotations

from typing import Protocol

from metaapps.tracing.errors import TracingError


class Refused(TracingError):
    """The message will never be taken as it is; the text says why, on one line.

    `divisible`: a part of it might be. One span may be the reason for all of it.
    """

    def __init__(self, reason: str, *, divisible: bool = False) -> None:
        super().__init__(reason)
        self.divisible = divisible


class Unavailable(TracingError):
    """The message may be taken later; the text says why it was not, on one line.

    `after` is how many seconds the other side asked for, None if it didn't say.
    """

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after


class Sink(Protocol):
    """Takes messages, in one thread; may take its time, but not forever."""

    def send(self, message: bytes) -> None:
        """Deliver a message. Raises Refused, or Unavailable."""

    def close(self) -> None:
        """Let go of what is open; the next message opens it again."""

    def forked(self) -> None:
        """Let go, in a forked child, of what is open and the parent's, saying nothing over it.

        Called in any thread, while `send` perhaps runs on in the parent.
        """
