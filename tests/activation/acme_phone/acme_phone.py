"""A library that somebody wrote: whoever is called gets some words, and notes beside them."""

from __future__ import annotations

from collections.abc import Callable

Listener = Callable[[str, dict[str, str]], str]


class Phone:
    """Calls one listener."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def call(self, words: str, notes: dict[str, str]) -> str:
        return self._listener(words, notes)
