"""The process's own runtime, and the functions that act on it."""

from __future__ import annotations

from typing import Final

from baggage.boundary import MetaApp
from baggage.runtime.runtime import Runtime

PROCESS: Final = Runtime()


def instrument(*libraries: str, service: str | None = None) -> None:
    """Instrument libraries, now or as soon as they are imported; all known ones if none is named.

    Registers the installed meta-applications too. `service` names this process. May be called
    again, also after `uninstrument`.
    """
    PROCESS.instrument(*libraries, service=service)


def uninstrument(*libraries: str) -> None:
    """Switch instrumentations off: of these libraries, or all."""
    PROCESS.uninstrument(*libraries)


def register(app: MetaApp) -> None:
    """Register a meta-application of your own; one of the same name is replaced."""
    PROCESS.register(app)


def unregister(name: str) -> None:
    """Remove a meta-application by its name."""
    PROCESS.unregister(name)
