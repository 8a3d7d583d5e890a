"""Sections: a name, and rows below it in columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

GAP: Final = "  "


def section(name: str, rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return the lines of a section; none without rows, which are all of one length."""
    listed = [*rows]
    if not listed:
        return
    widths = [max(map(len, column)) for column in zip(*listed, strict=True)]
    yield ""
    yield name
    for row in listed:
        padded = (text.ljust(width) for text, width in zip(row, widths, strict=True))
        yield GAP + GAP.join(padded).rstrip()
