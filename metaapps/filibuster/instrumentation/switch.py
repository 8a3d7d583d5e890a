"""What the drop-ins do: instrument by `baggage`, and switch fault injection on by being called."""

from __future__ import annotations

import baggage
from metaapps.filibuster import settings
from metaapps.filibuster.app import Filibuster
from metaapps.filibuster.coverage.arrival import attribution


def switch_on(library: str, service: str | None) -> bool:
    """Instrument a library in a service under test; False where the environment forbids it."""
    if settings.instrumentation_disabled():
        return False
    key = settings.service_key() or settings.local_key()
    baggage.instrument(library, "threading", "concurrent.futures", service=service)
    baggage.register(Filibuster((key,), coverage=attribution()))
    return True


def switch_off(library: str) -> None:
    """Switch the instrumentation of a library off."""
    baggage.uninstrument(library)
