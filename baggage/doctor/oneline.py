"""How an exception is told in one line."""

from __future__ import annotations


def in_a_line(error: BaseException) -> str:
    """Return the name of an exception's class and what it says, without line breaks."""
    told = " ".join(str(error).split())
    return f"{type(error).__name__}: {told}" if told else type(error).__name__
