"""How commands say things to people."""

from __future__ import annotations


def count(number: int, noun: str) -> str:
    """Return "1 span", "2 spans"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
