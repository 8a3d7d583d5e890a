"""Which requests were opened in this process, and whose roots are whose.

For an audit, to tell what one request knows from what another one does.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final

from baggage.boundary.call import UNKNOWN_SITE, CallSite

_REMEMBERED: Final = 4096


@dataclass(slots=True, eq=False)
class Opened:
    """A request that was opened, at a place; the roots that it `carries` tell it apart from others.

    They are its own, and those that came along.
    """

    request: str
    carries: frozenset[int]
    at: CallSite = UNKNOWN_SITE
    over: bool = False


class Requests:
    """Whose roots these are, as far as they came or were made here; the last ones. Thread-safe."""

    def __init__(self) -> None:
        """Know of none."""
        self._lock = Lock()
        self._opened: OrderedDict[int, Opened] = OrderedDict()

    def add(self, opened: Opened) -> None:
        """Remember a request; what another one brought before stays that one's."""
        with self._lock:
            for root in opened.carries:
                self._opened.setdefault(root, opened)
            while len(self._opened) > _REMEMBERED:
                self._opened.popitem(last=False)

    def other(self, roots: Iterable[int], mine: Opened) -> Opened | None:
        """Return a request that one of these roots is of, and that has nothing to do with mine."""
        for root in roots:
            if root not in mine.carries:
                opened = self._opened.get(root)
                if opened is not None and opened.carries.isdisjoint(mine.carries):
                    return opened
        return None
