"""Headers of requests' calls that remember what was written, where others write below.

Tools that instrument urllib3 set the `baggage` header of a copy, as they would where requests has
none. What is sent has their members, and ours.
"""

from __future__ import annotations

from typing import Any

from requests.structures import CaseInsensitiveDict

from baggage.wire import NAME, compose, split_members


class Headers(CaseInsensitiveDict[str]):
    """Headers whose copies know what the `baggage` header was `written` to be."""

    written = ""

    def copy(self) -> Headers:
        """Return a copy."""
        copied = type(self).__new__(type(self))
        vars(copied).update(vars(self))
        copied._store = self._store.copy()  # type: ignore[attr-defined]  # not in its stubs
        return copied


def copied(headers: Any) -> Any:
    """Return a copy of headers: of those that requests makes, without asking for each of them."""
    store = getattr(headers, "_store", None)
    if type(headers) is not CaseInsensitiveDict or store is None:
        return headers.copy()
    made: Any = Headers.__new__(Headers)
    made._store = store.copy()
    return made


def note(headers: Any, name: str, value: str) -> None:
    """Have headers remember what was written."""
    if name == NAME and isinstance(headers, Headers):
        headers.written = value


def restore(headers: Any) -> None:
    """Put our member back beside those that somebody else set in its place."""
    if not isinstance(headers, Headers) or not headers.written:
        return
    sent = headers.get(NAME, "")
    if sent != headers.written:
        ours, _ = split_members(headers.written)
        headers[NAME] = compose(ours, split_members(sent)[1])
