"""Where in the application a crossing starts: the innermost frame that is the application's own.

A place is named by module and function, never by a path or a line, so that it is the same on
every machine and survives edits elsewhere. Tools, the standard library and installed packages are
skipped.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Set as AbstractSet
from enum import Enum
from functools import cache, lru_cache
from os.path import basename, dirname, splitext
from types import FrameType
from typing import Final

from baggage.boundary.call import UNKNOWN_SITE, CallSite
from baggage.context import branch

_OURS: Final = frozenset({"baggage", "metaapps"})
_DEEPEST: Final = 200
_LOOPS: Final = frozenset({"asyncio.events", "asyncio.runners", "baggage.boundary.bottom"})
# Functions of their own up to Python 3.11, and part of the enclosing one from 3.12 on, also where a
# lambda stands in them.
_COMPREHENSION: Final = re.compile(
    r"((\.<locals>)?\.?<(list|dict|set)comp>)+$|(<(list|dict|set)comp>\.)+"
)


# The same script, in a process that it started, has the other name.
_SCRIPT: Final = frozenset({"__main__", "__mp_main__"})


class _Owner(Enum):
    APPLICATION = 0
    INSTALLED = 1
    LOOP = 2


# A member of an enumeration is looked up in its class, at each frame.
_APPLICATION, _INSTALLED, _LOOP = _Owner.APPLICATION, _Owner.INSTALLED, _Owner.LOOP


def call_site(library: AbstractSet[str] = frozenset(), *, beyond: int = 0) -> CallSite:
    """Return the call site of whoever is calling, `beyond` so many callers that are no candidates.

    An application that is itself installed as a package is found too, as the innermost frame that
    is neither ours, nor the standard library's, nor of the packages in `library`. Where a branch
    runs nothing but libraries, such as a task that `gather` makes of a client's coroutine, the
    place that forked it counts: who runs the event loop below is no caller.
    """
    library = frozenset(library)
    frame: FrameType | None = sys._getframe(1 + beyond)
    installed: FrameType | None = None
    for _ in range(_DEEPEST):
        if frame is None:
            break
        owner = _owner(frame.f_globals.get("__name__"), frame.f_code.co_filename, library)
        if owner is not None:
            if owner is _APPLICATION:
                return _site(frame)
            if owner is _INSTALLED:
                installed = installed or frame
            elif installed is not None or _forked_at() is not None:
                break
        frame = frame.f_back
    if installed is None:
        return _forked_at() or UNKNOWN_SITE
    return _site(installed)


def _forked_at() -> CallSite | None:
    running = branch()
    place: CallSite | None = None if running is None else running.place
    return place


def _site(frame: FrameType) -> CallSite:
    name = str(frame.f_globals.get("__name__", "?"))
    if name in _SCRIPT:
        spec = frame.f_globals.get("__spec__")
        name = spec.name if spec is not None else _stem(frame.f_code.co_filename)
    return _place(name, frame.f_code.co_qualname, frame.f_lineno, frame.f_code.co_filename)


@lru_cache(maxsize=4096)
def _place(module: str, function: str, line: int, file: str) -> CallSite:
    """Return a call site; a comprehension is a part of the function that it stands in."""
    return CallSite(module, _COMPREHENSION.sub("", function) or "<module>", line, file)


@lru_cache(maxsize=4096)
def _stem(filename: str) -> str:
    return splitext(basename(filename))[0]


@lru_cache(maxsize=4096)
def _owner(module: object, filename: str, library: AbstractSet[str]) -> _Owner | None:
    """Say whose a frame is; nobody's are ours, the standard library's, and those to skip."""
    if module in _LOOPS:
        return _Owner.LOOP
    package = str(module).partition(".")[0]
    if package in _OURS or package in library or filename.startswith("<frozen"):
        return None
    path = filename.replace("\\", "/")
    if "/site-packages/" in path or "/dist-packages/" in path:
        return _Owner.INSTALLED
    if any(path.startswith(prefix) for prefix in _standard_prefixes()):
        return None
    return _Owner.APPLICATION


@cache
def _standard_prefixes() -> tuple[str, ...]:
    import sysconfig  # here: it imports the settings that Python was built with

    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib")}
    found.add(dirname(sysconfig.__file__))
    return tuple(f"{path}/".replace("\\", "/") for path in found if path)
