"""Keeping a span with something else: a connection, a response, a request of any library."""

from __future__ import annotations

import weakref
from typing import Any, Final, TypeVar

from metaapps.tracing.handle import NONE, Handle

T = TypeVar("T")


class Bound:
    """Spans by the object that they were bound to; neither keeps the other's owner alive.

    By identity, so that objects may compare equal or have no hash. Safe in any thread.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._held: Final[dict[int, tuple[weakref.ref[Any], Handle]]] = {}

    def bind(self, something: T, handle: Handle) -> T:
        """Keep a span with an object, in place of the one before; return the object.

        Raises TypeError for an object that can't be referred to weakly, such as an int or a list.
        """
        number, held = id(something), self._held

        def gone(reference: weakref.ref[Any]) -> None:
            # Its number may be another object's by now.
            if number in held and held[number][0] is reference:
                del held[number]

        held[number] = (weakref.ref(something, gone), handle)
        return something

    def bound(self, something: object) -> Handle:
        """Return the span that is kept with an object; without one, one that records nothing."""
        reference, handle = self._held.get(id(something), (None, NONE))
        return handle if reference is not None and reference() is something else NONE
