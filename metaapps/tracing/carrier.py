"""Headers as applications have them, whose clients and servers nothing instruments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Protocol

Carrier = MutableMapping[str, str] | Callable[[str, str], object]
"""Headers of a request to be sent, or what adds one to them."""


class Headers(Protocol):
    """Headers that came: a mapping, or an `email.message.Message` as `http.server` has them."""

    def items(self) -> Iterable[tuple[str, str]]:
        """Return names, of any case, with their values."""


def arrived(headers: Headers) -> dict[str, str]:
    """Return headers by their names in lower case; several of one name are joined by ","."""
    found: dict[str, str] = {}
    for key, value in headers.items():
        name = key.lower()
        found[name] = f"{found[name]},{value}" if name in found else value
    return found
