"""Families: the branches that were forked from one branch and that nobody has joined yet."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from baggage.context.branch import Branch


class Family:
    """The forked branches of one branch that nobody has joined yet; safe in any thread.

    It lives under the lock of that branch.

    A child that has ended when its parent's scope closes is collected by it. A child that runs on
    after that is on its own, and is told so when it ends.
    """

    __slots__ = ("_children", "_lock")

    def __init__(self, lock: RLock) -> None:
        """Start without children."""
        self._lock = lock
        self._children: dict[Branch, bool] = {}

    def add(self, child: Branch) -> None:
        """Take up a child that is about to run."""
        with self._lock:
            self._children[child] = False

    def ended(self, child: Branch) -> bool:
        """Note that a child has ended; False if the parent's scope closed before."""
        with self._lock:
            if child not in self._children:
                return False
            if child.baggage.home:
                self._children[child] = True
            else:
                del self._children[child]
            return True

    def forget(self, child: Branch) -> None:
        """Let go of a child that was joined."""
        with self._lock:
            self._children.pop(child, None)

    def running(self) -> list[Branch]:
        """Return the children that have not ended."""
        with self._lock:
            return [child for child, over in self._children.items() if not over]

    def release(self) -> list[Branch]:
        """Let go of all children; return those that have ended."""
        with self._lock:
            children, self._children = self._children, {}
        return [child for child, over in children.items() if over]
