"""What instrumentations share: wrapping a method once, with a switch.

A module of this package is named after the library that it instruments, with "_" for "." and "__"
for "_", and says `instrument(boundary, switch)`; it is imported after the library, so it may import
it. Wrapped methods stay wrapped when the switch is off: to restore a name would remove what others
wrapped.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any


class Switch:
    """Whether one library's instrumentation is active."""

    __slots__ = ("on",)

    def __init__(self, *, on: bool = True) -> None:
        """Start on or off."""
        self.on = on


Function = Callable[..., Any]
Wrapper = Callable[[Callable[..., Any], Any, tuple[Any, ...], dict[str, Any]], Any]


def wrap(owner: type | ModuleType, name: str, switch: Switch, wrapper: Wrapper) -> None:
    """Wrap a method of a class by `wrapper(wrapped, instance, args, kwargs)` while `switch` is on.

    Subclasses that override the method and call it by `super()` are covered, and so are objects
    that exist already.
    """

    def switched(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not switch.on:
            return wrapped(*args, **kwargs)
        return wrapper(wrapped, instance, args, kwargs)

    import wrapt  # here: who instruments nothing doesn't wait for its imports

    wrapt.wrap_function_wrapper(owner, name, switched)


def replace(owner: type | ModuleType, name: str, make: Callable[[Function], Function]) -> None:
    """Replace a plain method of a class, or a function of a module, by what `make` makes of it.

    It costs a quarter of `wrap`, for methods that are called where nothing is carried, too: what is
    made takes the method's own parameters, asks its switch, and calls the method itself.
    """
    original: Function = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))
