"""What messages say of themselves: digests that are the same in every run, and words for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from hashlib import blake2b
from typing import Any, Final

_DIGEST_SIZE: Final = 8
_MOST_WORDS: Final = 200


def content(message: Any, serialize: Callable[[Any], bytes] | None = None) -> bytes | None:
    """Return a message as bytes, the same for equal messages; None where they can't be told.

    `serialize` is the method's own serializer, for messages that can't serialize themselves.
    """
    if isinstance(message, bytes):
        return message
    try:
        if hasattr(message, "SerializeToString"):
            serialized = message.SerializeToString(deterministic=True)
        else:
            serialized = None if serialize is None else serialize(message)
    except Exception:  # noqa: BLE001 - the application's own; the call itself will tell of it
        return None
    return serialized if isinstance(serialized, bytes) else None


def length(message: Any) -> int | None:
    """Return how many bytes a message takes, without making them; None where it can't be told."""
    if isinstance(message, bytes):
        return len(message)
    try:
        size = message.ByteSize()
    except Exception:  # noqa: BLE001 - as above, or a message of another kind
        return None
    return size if isinstance(size, int) else None


def digest(serialized: bytes | None) -> bytes | None:
    """Return a digest of a message, None of none."""
    return None if serialized is None else blake2b(serialized, digest_size=_DIGEST_SIZE).digest()


class Arguments(Mapping[str, object]):
    """What people read of a call: its full method, and its one request, put in words when read."""

    __slots__ = ("_method", "_request")

    def __init__(self, method: str, request: Any) -> None:
        """Keep both; `request` is None for a stream of requests."""
        self._method, self._request = method, request

    def __getitem__(self, name: str) -> object:
        if name == "full method":
            return self._method
        if name == "request" and self._request is not None:
            return words(self._request)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        yield "full method"
        if self._request is not None:
            yield "request"

    def __len__(self) -> int:
        return 1 if self._request is None else 2

    def __repr__(self) -> str:
        return repr(dict(self))


def words(message: Any) -> str:
    """Return a message for people, bounded."""
    try:
        text = repr(message)
    except Exception:  # noqa: BLE001 - the application's own
        text = object.__repr__(message)
    text = " ".join(text.split())
    return text if len(text) <= _MOST_WORDS else text[: _MOST_WORDS - 1] + "…"
