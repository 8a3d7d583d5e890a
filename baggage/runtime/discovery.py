"""What is there to be wired: instrumentations and meta-applications, ours and those of others."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

import baggage.instrumentation
from baggage.boundary import MetaApp

if TYPE_CHECKING:
    from importlib import metadata

_log = logging.getLogger("baggage.runtime")
GROUP = "baggage.metaapps"
LIBRARIES = "baggage.instrumentations"


def instrumentations() -> dict[str, str]:
    """Return the module of each instrumentation, by the name of the library that it is for.

    An entry point of an installed distribution names a library, and the module that says
    `instrument(boundary, switch)` for it; it wins over ours, since somebody installed it on
    purpose. Ours are found by the names of their modules, with "." for "_", and "_" for "__".
    Nothing is imported.
    """
    import pkgutil  # here: who instruments nothing doesn't wait for its imports

    found = pkgutil.iter_modules(baggage.instrumentation.__path__)
    names = [module.name for module in found if not module.name.startswith("_")]
    ours = {library(name): f"{baggage.instrumentation.__name__}.{name}" for name in names}
    return ours | {entry.name: entry.value for entry in _installed(LIBRARIES)}


def library(module: str) -> str:
    """Return the library that a module of this name instruments."""
    return "_".join(part.replace("_", ".") for part in module.split("__"))


def metaapps(wanted: frozenset[str] | None) -> Iterator[MetaApp]:
    """Make the installed meta-applications, or those of the wanted names.

    An entry point names something to call without arguments that returns a meta-application. One
    that fails is logged and left out: in one line if it raises ValueError, about what it was told.
    So is one that is wanted and not installed.
    """
    if wanted is not None and not wanted:
        return  # to look for what is installed takes a while
    installed = _installed(GROUP)
    for name in sorted((wanted or frozenset()) - {entry.name for entry in installed}):
        _log.warning("meta-application %s left out: not installed", name, extra={"metaapp": name})
    for entry in installed:
        if wanted is not None and entry.name not in wanted:
            continue
        try:
            app = entry.load()()
            if not isinstance(app, MetaApp):
                raise TypeError(f"{entry.value} makes {app!r}, which is no meta-application")
        except ValueError as error:
            _log.error("meta-application %s left out: %s", entry.name, error, extra=_extra(entry))
            _log.debug("why a meta-application was left out", exc_info=error, extra=_extra(entry))
        except Exception as error:  # noqa: BLE001 - isolates what others wrote
            _log.error(
                "meta-application %s left out", entry.name, exc_info=error, extra=_extra(entry)
            )
        else:
            yield app


def _installed(group: str) -> list[metadata.EntryPoint]:
    """Return the entry points of a group, in an order that doesn't depend on the installation."""
    from importlib import metadata  # here: it parses e-mail, and takes as long as all of `baggage`

    return sorted(metadata.entry_points(group=group), key=lambda entry: (entry.name, entry.value))


def _extra(entry: metadata.EntryPoint) -> dict[str, str]:
    return {"metaapp": entry.name}
