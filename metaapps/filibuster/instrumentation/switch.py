"""What the drop-ins do: instrument by `baggage`, and switch fault injection on by being called."""

from __future__ import annotations

import logging
from typing import Final

import baggage
from baggage.runtime import PROCESS
from metaapps.filibuster import settings
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.coverage.arrival import attribution

_log = logging.getLogger("metaapps.filibuster")
# What a request runs through within one service, whatever library it calls others by.
_WITHIN: Final = (
    "asyncio",
    "asyncio.queues",
    "concurrent.futures",
    "concurrent.futures.process",
    "eventlet",
    "gevent",
    "multiprocessing",
    "multiprocessing.pool",
    "multiprocessing.queues",
    "os",
    "queue",
    "subprocess",
    "threading",
    "uvloop",
)


def switch_on(library: str, service: str | None, url: str | None = None) -> bool:
    """Instrument a library in a service under test, and all that branches within a service.

    False where the environment forbids it.

    `url` is where the original's protocol is served, unless the environment says otherwise.
    """
    if settings.instrumentation_disabled():
        return False
    baggage.instrument(library, *_WITHIN, service=service)
    try:
        key = settings.service_key() or settings.local_key()
    except settings.NoLocalKey as error:
        _log.warning("injection stays off: %s", error)
        return True
    server = "" if settings.communication_disabled() else settings.server_url() or url or _told()
    baggage.register(Filibuster((key,), server=server, coverage=attribution()))
    return True


def _told() -> str:
    """Return what the drop-in for another library was told of the server."""
    known = (app.server for app in PROCESS.boundary.apps if isinstance(app, Filibuster))
    return next(known, "")


def switch_off(library: str) -> None:
    """Switch the instrumentation of a library off."""
    baggage.uninstrument(library)
