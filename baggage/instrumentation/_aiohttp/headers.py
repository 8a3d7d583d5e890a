"""What aiohttp's two sides share: headers as a carrier."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from multidict import MultiMapping

WHOLE: Final = 1 << 16
"""Bodies of at most so many bytes, of a stated length, are told by their digest."""


def joined(headers: MultiMapping[str], name: str) -> str | None:
    """Return a header's value, several joined by commas, None without the header."""
    values = headers.getall(name, None)
    return None if values is None else ",".join(values)


class Headers:
    """The headers of a message as a carrier. Those of a message that came are not written to."""

    __slots__ = ("_headers",)

    def __init__(self, headers: Any) -> None:
        """Show this multidict, which ignores case."""
        self._headers = headers

    def get(self, name: str) -> str | None:
        """Return a header's value."""
        return joined(self._headers, name)

    def set(self, name: str, value: str) -> None:
        """Replace a header."""
        self._headers[name] = value


class Arrived(Mapping[str, str]):
    """A view of a request's headers, by lower-case name."""

    __slots__ = ("_headers",)

    def __init__(self, headers: MultiMapping[str]) -> None:
        """Show these headers."""
        self._headers = headers

    def __getitem__(self, name: str) -> str:
        value = joined(self._headers, name)
        if value is None:
            raise KeyError(name)
        return value

    def get(self, name: str, default: Any = None) -> Any:
        """Return a header's value; quicker than a mapping does."""
        value = joined(self._headers, name)
        return default if value is None else value

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name in self._headers))

    def __len__(self) -> int:
        return sum(1 for _ in self)
