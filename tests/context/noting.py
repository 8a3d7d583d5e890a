"""A watch that knows of each branch what it should carry, by what it is told."""

from __future__ import annotations

from collections.abc import Mapping

from baggage.context import Branch, Joining
from baggage.values import Baggage


class Notes:
    """Fails where what is told doesn't follow from what was told before."""

    def __init__(self) -> None:
        self.carried: dict[Branch, Baggage] = {}

    def wrote(self, branch: Branch, before: Baggage, after: Baggage) -> None:
        self._moved(branch, before, after)

    def joined(self, branch: Branch, before: Baggage, after: Baggage, came: Joining) -> None:
        self._moved(branch, before, after)

    def split(self, parent: Branch, before: Baggage, child: Branch) -> None:
        self._moved(parent, before, parent.baggage)
        self.carried[child] = child.baggage

    def shared(self, parent: Branch, before: Baggage, shares: Mapping[Branch, Baggage]) -> None:
        self._moved(parent, before, parent.baggage)
        self.carried.update(shares)

    def lent(self, branch: Branch, before: Baggage, given: Baggage) -> None:
        self._moved(branch, before, branch.baggage)

    def closed(self, branch: Branch) -> None:
        """Nothing changes."""

    def _moved(self, branch: Branch, before: Baggage, after: Baggage) -> None:
        told = self.carried.get(branch)
        assert told is None or told.history.shows(before.history)
        self.carried[branch] = after
