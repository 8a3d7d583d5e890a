"""Forks that nobody asks about: as cheap as can be, since they happen everywhere.

Where nothing is carried there is nothing to split, and no branch before the child's work makes one,
by packing something: a `Blank`. Where something is, a `Share`. Any other fork is in `fork`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from baggage.boundary.consuming import finish
from baggage.boundary.homing import collect, take_home
from baggage.boundary.request import join_awaited
from baggage.context import Branch, branch, ensure, enter, leave, serving
from baggage.values import EMPTY

if TYPE_CHECKING:
    from baggage.boundary.driver import Boundary

T = TypeVar("T")


class Blank:
    """A fork of nothing: call it in the child, in place of the work; then `join` it, as a `Fork`.

    It lets go of the work as soon as that is called, so it may be kept with its result.
    """

    __slots__ = ("_boundary", "_child", "_work")

    def __init__(self, boundary: Boundary, work: Callable[..., Any]) -> None:
        """Prepare."""
        self._boundary = boundary
        self._work: Callable[..., Any] | None = work
        self._child: Branch | None = None

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Do the work, once. What it raises passes through."""
        work, self._work = self._work, None
        if work is None:
            raise RuntimeError("the work of this fork was done before")
        if branch() is not None:
            return self.resume(lambda: work(*args, **kwargs))
        try:
            return work(*args, **kwargs)
        finally:
            if branch() is not None:
                self._end()
                enter(None)

    def resume(self, work: Callable[[], T]) -> T:
        """Do something in the child's branch, whatever this thread happens to carry."""
        token = enter(self._child)
        try:
            return work()
        finally:
            if branch() is not None:
                self._end()
            leave(token)

    def join(self) -> None:
        """Merge what the child knows into the branch of the caller, who has waited for it."""
        child = self._child
        if child is not None and child.baggage is not EMPTY:
            ensure().join(child, batch=True)

    def undo(self) -> None:
        """Do nothing: there was nothing to split."""

    def _end(self) -> None:
        """Keep the branch that is current here, and hand its `home` values to their owners."""
        with self._boundary.isolated():
            finish()
            self._child = child = branch()
            if child is not None:
                collect(child)
                self._boundary.overflow(take_home(child))


def serve(boundary: Boundary, work: Callable[..., T], *args: Any) -> T:
    """Do the work of an arrival that brought nothing, and that nobody asks about.

    Its scope is a branch only from where the work makes one, and ends with it.
    """
    token, asked = enter(None), serving.set(True)
    try:
        return work(*args)
    finally:
        if branch() is not None:
            with boundary.isolated():
                finish()
                made = branch()
                if made is not None:
                    made.close()
                    collect(made)
                    boundary.overflow(take_home(made))
        leave(token)
        serving.reset(asked)


class Share(Blank):
    """A fork of a branch that nobody else is told of. Where it's not launched, `undo` it."""

    __slots__ = ("_parent",)

    def __init__(self, boundary: Boundary, work: Callable[..., Any], parent: Branch) -> None:
        """Split the parent's branch."""
        self._boundary = boundary
        self._work = work
        self._parent = parent
        self._child: Branch = parent.fork()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Do the work, once, in the child's branch. What it raises passes through."""
        work, self._work = self._work, None
        if work is None:
            raise RuntimeError("the work of this fork was done before")
        child = self._child
        token = enter(child)
        try:
            return work(*args, **kwargs)
        finally:
            if branch() is not child:
                finish()
                enter(child)
            self._end()
            leave(token)

    def join(self) -> None:
        """Merge what the child knows into the branch of the caller, who has waited for it."""
        parent = self._parent
        if branch() is parent:
            parent.rejoin(self._child)
        else:
            join_awaited(self._child)

    def undo(self) -> None:
        """Bring a branch home that never ran, and never will."""
        self._parent.rejoin(self._child)

    def _end(self) -> None:
        try:
            child = self._child
            if not child.alone:
                collect(child)
            if not self._parent.ended(child):
                self._boundary.overflow(take_home(child))
        except Exception as error:  # noqa: BLE001 - kept from the application
            self._boundary.failed(error)
