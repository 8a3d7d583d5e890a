"""What instrumentations share: wrapping a method once, with a switch.

A module of this package is named after the library that it instruments, with "_" for "." and "__"
for "_", and says `instrument(boundary, switch)`; it is imported after the library, so it may import
it. Wrapped methods stay wrapped when the switch is off: to restore a name would remove what others
wrapped.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
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
    that exist already. A module's function is wrapped under all names by which it was imported.
    """

    def switched(
        wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        if not switch.on:
            return wrapped(*args, **kwargs)
        return wrapper(wrapped, instance, args, kwargs)

    import wrapt  # here: who instruments nothing doesn't wait for its imports

    around = _around(owner, name)
    if around is None:
        original = getattr(owner, name)
        wrapped = wrapt.wrap_function_wrapper(owner, name, switched)
    else:
        original = around.__wrapped__
        wrapped = around.__wrapped__ = wrapt.FunctionWrapper(original, switched)
    if isinstance(owner, ModuleType):
        _rename(original, wrapped)


def replace(owner: type | ModuleType, name: str, make: Callable[[Function], Function]) -> None:
    """Replace a plain method of a class, or a function of a module, by what `make` makes of it.

    It costs a quarter of `wrap`, for methods that are called where nothing is carried, too: what is
    made takes the method's own parameters, asks its switch, and calls the method itself.
    """
    around = _around(owner, name)
    original: Function = getattr(owner, name) if around is None else around.__wrapped__
    made = wraps(original)(make(original))
    if around is None:
        setattr(owner, name, made)
    else:
        around.__wrapped__ = made


def _around(owner: type | ModuleType, name: str) -> Any:
    """Return the innermost wrapper of another tool there, None without one: ours goes beneath it.

    Tools that undo what they did take the outermost wrapper for theirs. And who comes last, sends.
    """
    import wrapt  # as in `wrap`

    around, found = None, vars(owner).get(name)
    while isinstance(found, wrapt.FunctionWrapper) and not _is_ours(found):
        around, found = found, found.__wrapped__
    return around


def _is_ours(wrapper: Any) -> bool:
    return getattr(wrapper._self_wrapper, "__module__", "") == __name__


def _rename(original: Function, wrapped: Function) -> None:
    """Put what wraps a function in its place wherever `from … import` has put that."""
    for name, module in tuple(sys.modules.items()):
        if name.startswith("baggage.instrumentation"):
            continue  # these know which of both they mean
        # Not by `vars`, at which a lazy module would load.
        with suppress(AttributeError, TypeError):
            names = object.__getattribute__(module, "__dict__")
            for known, value in tuple(names.items()):
                if value is original:
                    names[known] = wrapped
